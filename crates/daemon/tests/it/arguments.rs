//! Every call of the contract with every argument wrong: missing, malformed, huge, out of bounds. Each is refused with the
//! argument's name and words that help, and nothing is done.
//!
//! What there is to be called is read from the contract itself: a call or an argument without a row here fails the test.

mod calls;
mod contract;
mod raw;

use crate::support::Member;
use astrape_daemon::config::values::HostPort;
use astrape_daemon::engine::EmbeddedChain;
use astrape_daemon::service::server::offer;
use contract::{Call, Kind, calls};
use raw::{Raw, Value};
use tempfile::TempDir;
use tonic::Code;

/// What becomes of a call with one argument of that value.
pub(crate) struct Row {
    pub(crate) call: &'static str,
    pub(crate) argument: &'static str,
    /// None: it is left out.
    pub(crate) value: Option<Value>,
    pub(crate) outcome: Outcome,
}

/// What is to come of it.
pub(crate) enum Outcome {
    /// The status, and words that its message has.
    Refused(Code, &'static str),
    /// It is no mistake: the call does what it can.
    Taken,
}

/// Longest message of a refusal: it is read by a person, and repeats nothing that was sent.
const MAX_WORDS: usize = 300;

#[test]
fn every_argument_of_every_call_has_rows() {
    let mut missing = Vec::new();
    let rows = calls::rows(&calls::Here::anywhere());
    for call in calls() {
        for field in &call.fields {
            let of_field: Vec<&Row> =
                rows.iter().filter(|row| row.call == call.name && row.argument == field.name).collect();
            let has = |fits: &dyn Fn(&Row) -> bool| of_field.iter().any(|row| fits(row));
            let complete = match field.kind {
                Kind::Text => {
                    let huge =
                        |row: &Row| matches!(&row.value, Some(Value::Text(text)) if text.len() > 1_000);
                    let odd =
                        |row: &Row| matches!(&row.value, Some(Value::Text(text)) if text.len() <= 1_000);
                    let none = |row: &Row| row.value.is_none();
                    has(&huge) && has(&odd) && (field.is_optional || has(&none))
                }
                Kind::Number => has(
                    &|row| matches!(row.value, Some(Value::Number(n)) if n == u64::MAX || n == u64::from(u32::MAX)),
                ),
                Kind::Flag => has(&|row| matches!(row.value, Some(Value::Flag(_)))),
            };
            if !complete {
                missing.push(format!("{}.{}", call.name, field.name));
            }
        }
    }
    for row in &rows {
        let known = calls().into_iter().find(|call| call.name == row.call);
        let is_known = known.is_some_and(|call| call.fields.iter().any(|field| field.name == row.argument));
        assert!(is_known, "the contract has no {}.{}", row.call, row.argument);
    }
    assert!(missing.is_empty(), "no rows, or none of each kind, for: {missing:?}");
}

/// A node with its API, called as a hostile program would.
struct Served {
    member: Member,
    offered: astrape_daemon::service::server::Offered,
    raw: Raw,
    _credentials: TempDir,
}

async fn served(seed: u8) -> Served {
    let member = Member::start(seed, &EmbeddedChain::new()).await;
    let credentials = TempDir::new().unwrap();
    let offered =
        offer(member.handle.clone(), None, credentials.path(), &HostPort::new("127.0.0.1", 0)).await.unwrap();
    let raw = Raw::connect(credentials.path(), offered.address()).await;
    Served { member, offered, raw, _credentials: credentials }
}

impl Served {
    async fn end(self) {
        self.offered.close().await;
        self.member.stop().await.unwrap();
    }
}

/// What is not as the row says, if anything.
fn mistake(row: &Row, status: Option<tonic::Status>) -> Option<String> {
    let what = format!("{}.{} = {:.40}", row.call, row.argument, format!("{:?}", row.value));
    match (&row.outcome, status) {
        (Outcome::Taken, None) => None,
        (Outcome::Taken, Some(status)) => Some(format!("{what}: refused: {status:?}")),
        (Outcome::Refused(..), None) => Some(format!("{what}: taken")),
        (Outcome::Refused(code, words), Some(status)) => {
            let said = status.message();
            // Of two that exclude each other, the one that is to go is named.
            let named = *code != Code::InvalidArgument
                || said.starts_with(&format!("{}: ", row.argument))
                || said.starts_with(words) && words.contains(": ");
            let fits = status.code() == *code && said.contains(words) && named && said.len() <= MAX_WORDS;
            (!fits).then(|| {
                format!("{what}: {code:?} with `{words}` is wanted: {:?} `{said:.400}`", status.code())
            })
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_refuses_what_is_wrong_with_the_name_of_the_argument() {
    let node = served(81).await;
    let here = calls::Here::of(&node.member).await;
    let mut mistakes = Vec::new();
    for row in calls::rows(&here) {
        let call = calls().into_iter().find(|call| call.name == row.call).unwrap();
        let body = raw::body(&call, &calls::good(row.call, &here), row.argument, row.value.as_ref());
        let status = node.raw.call(&call, body).await;
        mistakes.extend(mistake(&row, status));
    }
    let now = node.member.handle.snapshot();
    assert_eq!((now.channels().count(), now.payments().count()), (0, 0), "nothing was done");
    drop(now);
    node.end().await;
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// Says whether a status is one of those, with words.
fn is_refused(call: &Call, what: &str, status: Option<tonic::Status>, codes: &[Code]) {
    let status = status.unwrap_or_else(|| panic!("{} takes {what}", call.name));
    assert!(codes.contains(&status.code()), "{} with {what}: {status:?}", call.name);
    assert!(status.message().len() > 10, "{} with {what}: {status:?}", call.name);
    assert!(status.message().len() <= MAX_WORDS, "{} with {what}: {status:?}", call.name);
}

/// Bytes that are no message of the contract: of another kind, cut short, not text, or too many.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_refuses_bytes_that_it_cannot_read() {
    let node = served(82).await;
    let here = calls::Here::of(&node.member).await;
    for call in calls() {
        for garbage in [vec![0xff; 64], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], vec![0x07], vec![0x80; 12]]
        {
            let status = node.raw.call(&call, garbage).await;
            is_refused(&call, "garbage", status, &[Code::Internal, Code::InvalidArgument]);
        }
        // A request that nobody would make: far over the longest. What is unknown in it does not help.
        let huge = [&[0xfa, 0x7f, 0x80, 0x80, 0x08][..], &vec![7; 0x2_0000]].concat();
        let status = node.raw.call(&call, huge).await;
        is_refused(&call, "128 KiB", status, &[Code::OutOfRange, Code::ResourceExhausted]);
        for field in &call.fields {
            let status = node.raw.call(&call, raw::of_wrong_kind(field)).await;
            let said = status.as_ref().map(|status| status.message().to_owned()).unwrap_or_default();
            is_refused(&call, "an argument of another kind", status, &[Code::Internal]);
            assert!(said.contains(field.name), "{}.{}: {said}", call.name, field.name);
            if field.kind == Kind::Text {
                let good = calls::good(call.name, &here);
                let text = Value::Bytes(vec![0xff, 0xfe, b'a']);
                let status = node.raw.call(&call, raw::body(&call, &good, field.name, Some(&text))).await;
                is_refused(&call, "what is no text", status, &[Code::Internal]);
            }
        }
    }
    node.end().await;
}

// attack 29
#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_carried_out_without_the_token() {
    let node = served(83).await;
    let here = calls::Here::of(&node.member).await;
    for call in calls() {
        for token in
            [None, Some(""), Some("00"), Some(&*"ab".repeat(32)), Some("\u{7f}é"), Some(&*"a".repeat(9_000))]
        {
            let body = raw::body(&call, &calls::good(call.name, &here), "", None);
            let status = node.raw.call_with_token(&call, body, token).await;
            is_refused(
                &call,
                "another token",
                status,
                &[Code::Unauthenticated, Code::Internal, Code::Unknown],
            );
        }
    }
    let now = node.member.handle.snapshot();
    assert_eq!(now.known_peers().count(), 0);
    drop(now);
    node.end().await;
}
