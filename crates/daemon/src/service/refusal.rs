//! Refusals of the node as statuses of gRPC.

use crate::engine::{AddressError, CommandError, ConnectError, Reading, RecoverError, Stopped};
use crate::render::words::time;
use astrape_node::{JournalError, Refusal};
use tonic::Status;

/// The node stops.
pub(crate) fn stopped(_: Stopped) -> Status {
    Status::unavailable("the node is stopping: start it again with `astrape run`")
}

/// A command was not carried out.
pub(crate) fn command(error: CommandError) -> Status {
    match error {
        CommandError::Stopped => stopped(Stopped),
        CommandError::Lookup(_) => Status::internal(error.to_string()),
        CommandError::Refused(Refusal::NoSuchChannel) => {
            Status::not_found(Refusal::NoSuchChannel.to_string())
        }
        CommandError::Refused(refusal @ Refusal::PaidOtherwise { at, .. }) => {
            Status::failed_precondition(format!("{refusal}. That was at {} (utc)", time(at.secs())))
        }
        CommandError::Refused(Refusal::RequestIdUsed(_)) => Status::already_exists(error.to_string()),
        CommandError::Refused(refusal) => Status::failed_precondition(refusal.to_string()),
    }
}

/// There is no address.
pub(crate) fn address(error: AddressError) -> Status {
    match error {
        AddressError::NotBegun => Status::failed_precondition(error.to_string()),
        AddressError::Failed(error) => internal(error),
    }
}

/// Nothing was searched, or swept.
pub(crate) fn recover(error: RecoverError) -> Status {
    match error {
        RecoverError::Busy | RecoverError::NotAtTip(_) | RecoverError::Source(_) => {
            Status::failed_precondition(error.to_string())
        }
        RecoverError::Failed(error) => internal(error),
    }
}

/// The last estimate of fees is of another time.
pub(crate) fn old_fees(minutes: u64) -> Status {
    Status::failed_precondition(format!(
        "bitcoind has told no feerate for {minutes} minutes (`astrape getinfo` says why): choose one (--feerate), or put that right first"
    ))
}

/// The on-chain wallet does not know all coins yet.
pub(crate) fn reading(reading: &Reading) -> Status {
    Status::failed_precondition(format!(
        "{reading}, and does not know yet what is in the blocks above: try again when it has read them (`astrape getinfo` says how far it is; \
         if it does not go on, the log says which blocks bitcoind lacks)"
    ))
}

/// There is no connection.
pub(crate) fn connect(error: ConnectError) -> Status {
    match error {
        ConnectError::Stopped => stopped(Stopped),
        error => Status::failed_precondition(error.to_string()),
    }
}

/// The ledger cannot be read.
pub(crate) fn ledger(error: JournalError) -> Status {
    Status::internal(error.to_string())
}

/// Something of our own failed.
pub(crate) fn internal(error: anyhow::Error) -> Status {
    Status::internal(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Failure;

    #[test]
    fn a_node_that_has_no_address_yet_has_answered_all_the_same() {
        let status = address(AddressError::NotBegun);
        assert_eq!(status.code(), tonic::Code::FailedPrecondition);
        assert!(
            matches!(Failure::from(status), Failure::Refused(words) if words.contains("`astrape getinfo`"))
        );
    }
}
