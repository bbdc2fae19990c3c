//! GnuPG as partner, in both directions.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use auria_openpgp::{OpenError, Opener, Sealer};
use common::{OWNERS, SECRET};

/// Runs gpg without an agent's questions, in a home of its own.
fn gpg(home: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gpg")
        .arg("--homedir")
        .arg(home)
        .args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback"])
        .arg("--passphrase")
        .arg(std::str::from_utf8(SECRET).unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need gpg");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A home of its own, its agent stopped when done.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "all"]).status();
    }
}

#[test]
fn what_gpg_writes_with_each_cipher_digest_mode_and_compression_is_read() {
    let home = Home::new();
    let text = "Maria da Conceição 🦷 ".repeat(40);
    let mut opener = Opener::new(SECRET);
    let ciphers = ["AES", "AES192", "AES256", "3DES", "CAST5", "BLOWFISH"];
    let digests = ["MD5", "SHA1", "RIPEMD160", "SHA224", "SHA256", "SHA384", "SHA512"];
    let forms = [("0", "none"), ("1", "zip"), ("3", "zlib"), ("3", "none")];
    // Not the full product, which pgcrypto is asked for: gpg takes a second for each message.
    let with_ciphers = ciphers.into_iter().map(|cipher| (cipher, "SHA1"));
    let with_digests = digests.into_iter().map(|digest| ("AES256", digest));
    for (number, (cipher, digest)) in with_ciphers.chain(with_digests).enumerate() {
        for (mode, compression) in [forms[number % 4], forms[(number + 2) % 4]] {
            let arguments = [
                // The standard of its time: later versions of gpg write 3DES and CAST5 in no other mode.
                "--rfc4880",
                "--allow-weak-digest-algos",
                "--cipher-algo",
                cipher,
                "--s2k-digest-algo",
                digest,
                "--s2k-mode",
                mode,
                "--s2k-count",
                "1024",
                "--compress-algo",
                compression,
                "--symmetric",
            ];
            let message = gpg(home.0.path(), &arguments, text.as_bytes());
            let opened = opener.open(&message, &mut || true).unwrap_or_else(|error| panic!("{error} {arguments:?}"));
            assert_eq!(&*opened, text, "{arguments:?}");
            assert!(!opened.is_current_form());
        }
    }
}

#[test]
fn gpg_defaults_text_mode_old_style_packets_and_large_inputs_are_read() {
    let home = Home::new();
    let mut opener = Opener::new(SECRET);
    let lines = "linha um\nlinha dois\n".to_owned();
    let large = "0123456789abcdé\n".repeat(1 << 16);
    for (arguments, text) in [
        (&["--symmetric"][..], &lines),
        (&["--textmode", "--symmetric"], &lines),
        (&["--rfc4880", "--symmetric"], &lines),
        (&["--disable-mdc", "--rfc2440", "--symmetric"], &lines),
        (&["--set-filename", "ficha.txt", "--symmetric"], &lines),
        (&["--compress-algo", "none", "--symmetric"], &large),
        (&["--compress-algo", "zip", "-z", "9", "--symmetric"], &large),
        (&["--textmode", "--symmetric"], &large),
        (&["--symmetric"], &String::new()),
    ] {
        let message = gpg(home.0.path(), arguments, text.as_bytes());
        let opened = opener.open(&message, &mut || true).unwrap_or_else(|error| panic!("{error} {arguments:?}"));
        assert!(*opened == **text, "{arguments:?}");
    }
}

#[test]
fn gpg_reads_what_is_written() {
    let home = Home::new();
    let mut sealer = Sealer::new(SECRET);
    for text in ["", "Ana", "linha 1\nlinha 2\n", "João 🦷", &"ção ".repeat(300_000)] {
        let nobodys = sealer.seal(text).unwrap();
        // Every octet that an id may have, those that end a C string or a line among them.
        for message in [nobodys].into_iter().chain(OWNERS.map(|owner| sealer.seal_for(text, &owner).unwrap())) {
            let read = gpg(home.0.path(), &["--decrypt"], &message);
            assert!(read == text.as_bytes(), "{} octets", text.len());
        }
    }
}

#[test]
fn a_file_name_that_gpg_writes_is_no_owner() {
    let home = Home::new();
    for mode in [&[][..], &["--textmode"]] {
        let named =
            [mode, &["--set-filename", "ficha-medica.txt", "--compress-algo"], &["none", "--symmetric"]].concat();
        let message = gpg(home.0.path(), &named, b"text");
        let mut opener = Opener::new(SECRET);
        let opened = opener.open(&message, &mut || true).unwrap();
        assert_eq!((&*opened, opened.owner()), ("text", None));
        assert!(!opened.is_current_form() && opened.is_integrity_protected());
    }
}

#[test]
fn a_message_for_another_passphrase_is_not_read() {
    let home = Home::new();
    let message = gpg(home.0.path(), &["--symmetric"], b"text");
    let mut other = Opener::new(b"some other secret of length");
    assert_eq!(other.open(&message, &mut || true).unwrap_err(), OpenError::WrongKeyOrCorrupt);
}
