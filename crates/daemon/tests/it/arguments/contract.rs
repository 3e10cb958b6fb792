//! The calls of the contract and their arguments, read from it.

/// The contract that client and server are made of.
const CONTRACT: &str = include_str!("../../../../api/proto/astrape/v1/node.proto");

/// A call.
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) fields: Vec<Field>,
    /// Whether it is answered by a stream.
    pub(crate) is_stream: bool,
}

/// An argument.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    pub(crate) is_optional: bool,
}

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Flag,
}

/// All of them, in the contract's order.
pub(crate) fn calls() -> Vec<Call> {
    let rpc = |line: &'static str| {
        let (name, rest) = line.trim().strip_prefix("rpc ")?.split_once('(')?;
        let (request, answer) = rest.split_once(')')?;
        Some(Call { name, fields: fields(request), is_stream: answer.contains("stream") })
    };
    let calls: Vec<Call> = CONTRACT.lines().filter_map(rpc).collect();
    assert!(calls.len() >= 18, "the contract is read");
    calls
}

fn fields(message: &str) -> Vec<Field> {
    let head = format!("message {message} {{");
    let (_, body) = CONTRACT.split_once(&head).unwrap_or_else(|| panic!("there is no {message}"));
    let (body, _) = body.split_once('}').expect("it ends");
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.map(field).collect()
}

fn field(line: &'static str) -> Field {
    let (left, number) = line.split_once('=').expect("a field has a number");
    let mut words: Vec<&'static str> = left.split_whitespace().collect();
    let name = words.pop().expect("a field has a name");
    let kind = match words.pop() {
        Some("string") => Kind::Text,
        Some("uint32" | "uint64" | "sint32") => Kind::Number,
        Some("bool") => Kind::Flag,
        other => panic!("say here what {other:?} is, and add rows for it"),
    };
    let number = number.split(';').next().and_then(|n| n.trim().parse().ok()).expect("a number");
    Field { name, number, kind, is_optional: words.pop() == Some("optional") }
}
