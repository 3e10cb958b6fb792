//! How a command ends, for scripts: the exit codes are part of the contract.

use astrape_api::ConnectError;
use serde_json::json;
use std::process::ExitCode;
use tonic::{Code, Status};

/// The exit code of a wrong command line, as `clap` has it.
pub const USAGE: u8 = 2;

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Refused or failed.
    Refused(String),
    /// The command line, the environment or the file with options is wrong.
    Usage(String),
    /// The node cannot be reached.
    Unreachable(String),
    /// The payment failed: nothing was paid. It was told as an answer already.
    PaymentFailed,
    /// The payment is still under way. It was told as an answer already.
    PaymentPending,
    /// The node was lost before it told how a payment ended: it may be under way, or over.
    PaymentUnknown {
        /// What happened and how to find out.
        words: String,
        /// Its hash, where it is known here.
        payment_hash: Option<String>,
    },
}

impl Failure {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Failure::Refused(_) => 1,
            Failure::Usage(_) => USAGE,
            Failure::Unreachable(_) => 3,
            Failure::PaymentFailed => 4,
            Failure::PaymentPending | Failure::PaymentUnknown { .. } => 5,
        }
    }

    /// The same with more to say behind it.
    #[must_use]
    pub(super) fn with(mut self, more: &str) -> Self {
        if let Failure::Refused(words) | Failure::Usage(words) | Failure::Unreachable(words) = &mut self {
            words.push_str(more);
        }
        self
    }

    fn words(&self) -> Option<&str> {
        match self {
            Failure::Refused(words)
            | Failure::Usage(words)
            | Failure::Unreachable(words)
            | Failure::PaymentUnknown { words, .. } => Some(words),
            Failure::PaymentFailed | Failure::PaymentPending => None,
        }
    }

    fn as_json(&self, words: &str) -> serde_json::Value {
        match self {
            Failure::PaymentUnknown { payment_hash: Some(hash), .. } => {
                json!({ "error": words, "code": self.code(), "payment_hash": hash })
            }
            _ => json!({ "error": words, "code": self.code() }),
        }
    }

    /// Tells it on standard error and gives the exit code.
    #[must_use]
    pub fn report(&self, as_json: bool) -> ExitCode {
        match self.words() {
            Some(words) if as_json => eprintln!("{}", self.as_json(words)),
            Some(words) => eprintln!("error: {words}"),
            None => {}
        }
        ExitCode::from(self.code())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Address(_) => Failure::Usage(error.to_string()),
            ConnectError::Credentials(_)
            | ConnectError::OtherNode { .. }
            | ConnectError::Unreachable { .. } => Failure::Unreachable(error.to_string()),
        }
    }
}

/// Whether the node was lost while it was asked, so that nobody knows what came of it: it stops, or the connection broke.
pub(crate) fn is_lost(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::Unknown | Code::Cancelled => true,
        // The node's own has no source: this is of a connection that broke in the middle of a frame.
        Code::Internal => std::error::Error::source(status).is_some(),
        _ => false,
    }
}

/// What happened where the node was lost.
pub(crate) fn how_lost(status: &Status) -> String {
    match status.code() {
        Code::Unavailable => status.message().to_owned(),
        _ => format!("the connection to the node broke: {}", status.message()),
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match status.code() {
            _ if is_lost(&status) => Failure::Unreachable(how_lost(&status)),
            Code::Unauthenticated => Failure::Unreachable(status.message().to_owned()),
            Code::Unimplemented => Failure::Refused(
                "the node is of another version than this command: use the same program".to_owned(),
            ),
            _ => Failure::Refused(status.message().to_owned()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Refused(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_connection_that_broke_within_a_frame_is_a_lost_node_and_an_error_that_the_node_tells_is_not() {
        let told = Status::internal("the disk is full");
        assert!(!is_lost(&told));
        assert_eq!(Failure::from(told.clone()).code(), 1);
        let mut broke = told;
        broke.set_source(Arc::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        assert!(is_lost(&broke));
        assert_eq!(Failure::from(broke).code(), 3);
    }
}
