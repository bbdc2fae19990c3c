# debian.sh ROOT PROGRAMS MAJOR PORT: a cluster as Debian's package makes it, below ROOT instead of /: Debian's own tools, in
# copies that look for configuration, data, logs and sockets there and run the PostgreSQL in PROGRAMS. Any account may do it.
set -eu
root=$1 programs=$2 major=$3 port=$4
mkdir -p "$root/bin" "$root/perl" "$root/home"
for directory in etc var/lib var/log var/run; do
    mkdir -p "$root/$directory/postgresql"
done
move() {
    sed -e "s#/usr/lib/postgresql/#$programs/#g" \
        -e "s#/\(etc\|var/lib\|var/log\|var/run\)/postgresql\($\|[^-[:alnum:]]\)#$root/\1/postgresql\2#g" \
        -e "1{/^#!/a use lib '$root/perl';
}" "$1" >"$2"
}
move /usr/share/perl5/PgCommon.pm "$root/perl/PgCommon.pm"
for tool in pg_createcluster pg_ctlcluster pg_conftool pg_lsclusters; do
    move "/usr/bin/$tool" "$root/bin/$tool"
done
move /usr/share/postgresql-common/pg_wrapper "$root/bin/pg_wrapper"
chmod 755 "$root/bin"/*
find /usr/bin -lname '*/pg_wrapper' -printf '%f\n' | while read -r client; do
    ln -s pg_wrapper "$root/bin/$client"
done
pg_createcluster --no-status --locale=C.UTF-8 --encoding=UTF8 --port="$port" "$major" main
# Where a watchdog looks for the server.
ln -s "$root/var/lib/postgresql/$major/main" "$root/data"
