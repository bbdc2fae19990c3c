//! Cleans up after a server even when the process that started it is killed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// Waits for a word, or for the end of its input, which comes when this process
/// ends in whatever way. An initdb or a server that was being started at that
/// moment goes on for a little: hence the second look.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
clean() {
    server=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
    if [ -n "$server" ]; then
        kill -QUIT "$server" 2>/dev/null
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            kill -0 "$server" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL "$server" 2>/dev/null
    fi
    # A server may have a disk of its own.
    umount -l "$1/data" 2>/dev/null
    rm -rf "$1"
}
if read -r word; then
    [ "$word" = keep ] || clean "$1"
else
    clean "$1"
    sleep 2
    clean "$1"
fi
"#;

/// A child that stops the server of a directory and removes the directory once its owner is gone.
pub(crate) struct Watchdog {
    child: Child,
    input: Option<ChildStdin>,
}

impl Watchdog {
    pub(crate) fn over(directory: &Path) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal must not take it along.
            .process_group(0)
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        Watchdog { child, input }
    }

    /// Leaves the server and its directory alone for good.
    pub(crate) fn dismiss(&mut self) {
        if let Some(mut input) = self.input.take() {
            input.write_all(b"keep\n").unwrap();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut input) = self.input.take() {
            // A watchdog that is gone has nothing left to do.
            let _ = input.write_all(b"clean\n");
        }
        let _ = self.child.wait();
    }
}
