//! Commands that their caller may repeat, since an answer can be lost. The caller gives each an id of its choice; what came of it
//! is remembered in the very commit that carried it out, and told to whoever gives the id again.
//!
//! A command that was refused leaves nothing, so that its id is as good as before. What was carried out and failed later, as a
//! payment or an opening may, was carried out: to try again is another command, with another id.

use crate::command::{Command, OpenChannelCommand, PayCommand, WithdrawCommand};
use crate::journal::Entry;
use astrape_payment::OpenInvoice;
use astrape_primitives::{ChannelKeysId, PaymentHash, Sat};
use bitcoin::Txid;
use std::str::FromStr;

/// Longest id of a request: room for two UUIDs.
pub const MAX_REQUEST_ID: usize = 64;

/// What a caller calls a command: 1 to [`MAX_REQUEST_ID`] printable characters of ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(String);

/// A text that is no id of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is 1 to {MAX_REQUEST_ID} printable characters of ASCII")]
pub struct RequestIdError;

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        let fits = (1..=MAX_REQUEST_ID).contains(&text.len()) && text.bytes().all(is_printable);
        if fits { Ok(Self(text.to_owned())) } else { Err(RequestIdError) }
    }
}

impl RequestId {
    /// The id as its caller wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Display for RequestId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command as its caller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the caller calls it.
    pub id: RequestId,
    /// A hash of all that it asks for: the same id for something else is a mistake.
    pub digest: [u8; 32],
}

/// A request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRequest {
    /// What was asked.
    pub request: Request,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request at once. How that went on is known by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The payment of an invoice is waited for.
    Invoiced {
        /// Its text.
        bolt11: String,
    },
    /// A channel is being opened.
    Opening {
        /// Our name for it.
        channel: ChannelKeysId,
    },
    /// A payment was begun, or had been made before.
    Paying {
        /// Its hash.
        payment_hash: PaymentHash,
    },
    /// Coins leave the wallet.
    Withdrawing {
        /// The transaction.
        txid: Txid,
        /// What it pays out.
        amount: Sat,
        /// What it costs.
        fee: Sat,
    },
}

/// A command that is carried out once, however often it is asked for by its id.
#[derive(Clone, Debug)]
pub struct OnceCommand {
    /// Which.
    pub request: Request,
    /// What the journal says of an earlier request with this id.
    pub earlier: Option<PastRequest>,
    /// What is to be done.
    pub errand: Errand,
}

/// What can be asked for by an id: what would do harm if it were done twice.
#[derive(Clone, Debug)]
pub enum Errand {
    /// See [`Command::AddInvoice`].
    Invoice {
        /// The invoice.
        invoice: Box<OpenInvoice>,
        /// What the ledger says of an earlier payment with this hash, where somebody may have used it before.
        earlier: Option<Entry>,
    },
    /// See [`Command::OpenChannel`].
    Open(Box<OpenChannelCommand>),
    /// See [`Command::Pay`].
    Pay(Box<PayCommand>),
    /// See [`Command::Withdraw`].
    Withdraw(Box<WithdrawCommand>),
}

impl Errand {
    /// The command: to be carried out once, if its caller has named it.
    #[must_use]
    pub fn by(self, request: Option<Request>) -> Command {
        match (request, self) {
            (Some(request), errand) => {
                Command::Once(Box::new(OnceCommand { request, earlier: None, errand }))
            }
            (None, Errand::Invoice { invoice, earlier }) => Command::AddInvoice { invoice, earlier },
            (None, Errand::Open(open)) => Command::OpenChannel(open),
            (None, Errand::Pay(pay)) => Command::Pay(pay),
            (None, Errand::Withdraw(withdraw)) => Command::Withdraw(withdraw),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_printable_ascii() {
        for text in ["a", " ", "~", "order 7/3", "018f3c1e-7b1a-7cc3-9f51-3a1f2b4c5d6e", &"x".repeat(64)] {
            assert_eq!(text.parse().map(|id: RequestId| id.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "\n", "a\0", "\u{7f}", "é", "🦀", "\u{202e}abc", &"x".repeat(65)] {
            assert_eq!(text.parse::<RequestId>(), Err(RequestIdError), "{text:?}");
        }
    }
}
