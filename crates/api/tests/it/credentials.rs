//! The files of the first start.

use astrape_api::credentials::{CERTIFICATE_FILE, KEY_FILE, TOKEN_FILE, load_for_client};
use astrape_api::{Credentials, CredentialsError};
use std::fs;

#[test]
fn the_first_start_makes_what_later_starts_find() {
    let dir = tempfile::tempdir().expect("a directory");
    assert!(matches!(load_for_client(dir.path()), Err(CredentialsError::Missing(_))));
    let first = Credentials::load_or_create(dir.path()).expect("made");
    let second = Credentials::load_or_create(dir.path()).expect("found");
    assert_eq!(first.certificate, second.certificate);
    assert_eq!(first.key.reveal(), second.key.reveal());
    assert_eq!(first.token, second.token);
    let (certificate, token) = load_for_client(dir.path()).expect("found");
    assert_eq!((certificate, token), (first.certificate, first.token));
    let names: Vec<String> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 3, "no drafts are left: {names:?}");
}

#[test]
fn the_certificate_has_the_addresses_of_the_node_and_one_without_is_made_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let names = |credentials: &Credentials| credentials.certificate.lines().next().unwrap().to_owned();
    let first = Credentials::load_or_create(dir.path()).expect("made");
    assert_eq!(names(&first), "Names: localhost 127.0.0.1 ::1");
    let at = Some("10.1.2.3".parse().unwrap());
    let elsewhere = Credentials::load_or_create_for(dir.path(), at).expect("made anew");
    assert_eq!(names(&elsewhere), "Names: localhost 127.0.0.1 ::1 10.1.2.3");
    let again = Credentials::load_or_create(dir.path()).expect("found");
    assert_eq!(again.certificate, elsewhere.certificate, "it has what is needed, and more");
    assert_eq!(again.token, first.token, "the token stays");
    // One of an earlier version.
    let (_, old) = first.certificate.split_once('\n').unwrap();
    fs::write(dir.path().join(CERTIFICATE_FILE), old).unwrap();
    let renewed = Credentials::load_or_create(dir.path()).expect("made anew");
    assert_eq!(names(&renewed), "Names: localhost 127.0.0.1 ::1");
    assert_ne!(renewed.certificate, first.certificate);
}

// attack 29
#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_key_and_the_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    Credentials::load_or_create(dir.path()).expect("made");
    let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(KEY_FILE), 0o600);
    assert_eq!(mode(TOKEN_FILE), 0o600);
    assert_eq!(mode(CERTIFICATE_FILE), 0o644);
}

// attack 29
#[test]
fn a_token_that_was_removed_is_replaced_and_the_old_one_is_no_longer_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let before = Credentials::load_or_create(dir.path()).expect("made");
    fs::remove_file(dir.path().join(TOKEN_FILE)).expect("it is there");
    let after = Credentials::load_or_create(dir.path()).expect("made");
    assert_eq!(after.certificate, before.certificate, "clients go on trusting the node");
    assert!(!after.token.is(before.token.reveal_hex().as_bytes()));
    let (_, token) = load_for_client(dir.path()).expect("found");
    assert_eq!(token, after.token);
}

#[test]
fn a_spoilt_token_file_is_named_and_never_replaced_silently() {
    let dir = tempfile::tempdir().expect("a directory");
    Credentials::load_or_create(dir.path()).expect("made");
    fs::write(dir.path().join(TOKEN_FILE), "").unwrap();
    let error = Credentials::load_or_create(dir.path()).expect_err("spoilt").to_string();
    assert!(error.contains(TOKEN_FILE) && error.contains("remove"), "{error}");
}

#[test]
fn two_nodes_have_different_tokens() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = Credentials::load_or_create(a.path()).expect("made");
    let b = Credentials::load_or_create(b.path()).expect("made");
    assert_ne!(a.token, b.token);
    assert!(!a.token.is(b.token.reveal_hex().as_bytes()));
}
