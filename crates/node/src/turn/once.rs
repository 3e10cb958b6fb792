//! Commands that are carried out once for each id of their caller, however often they are asked for.

use super::Turn;
use crate::command::{Refusal, Reply};
use crate::request::{Errand, OnceCommand, Outcome, PastRequest, Request};

impl Turn<'_> {
    /// What came of a request that was carried out before; [`Reply::NotDone`] where there was none.
    pub(super) fn recall(&self, request: &Request, earlier: Option<PastRequest>) -> Result<Reply, Refusal> {
        // Both say the same where both know it: an id is carried out once.
        let recent = self.node.recent.request(&request.id).cloned();
        match recent.or(earlier) {
            None => Ok(Reply::NotDone),
            Some(past) if past.request.digest == request.digest => {
                Ok(Reply::DoneBefore(Box::new(past.outcome)))
            }
            Some(_) => Err(Refusal::RequestIdUsed(request.id.clone())),
        }
    }

    /// Carries out what was not carried out before, and remembers what came of it.
    pub(super) fn once(&mut self, command: OnceCommand) -> Result<Reply, Refusal> {
        let OnceCommand { request, earlier, errand } = command;
        let before = self.recall(&request, earlier)?;
        if before != Reply::NotDone {
            return Ok(before);
        }
        let (reply, outcome) = self.run_errand(errand)?;
        self.writes.requests.push(PastRequest { request, outcome });
        Ok(reply)
    }

    fn run_errand(&mut self, errand: Errand) -> Result<(Reply, Outcome), Refusal> {
        Ok(match errand {
            Errand::Invoice { invoice, earlier } => {
                let outcome = Outcome::Invoiced { bolt11: invoice.bolt11.clone() };
                (self.add_invoice(*invoice, earlier)?, outcome)
            }
            Errand::Open(command) => {
                let channel = command.keys.id;
                (self.open_channel(*command)?, Outcome::Opening { channel })
            }
            Errand::Pay(command) => {
                let payment_hash = command.payee.payment_hash();
                (self.pay(*command)?, Outcome::Paying { payment_hash })
            }
            Errand::Withdraw(command) => {
                let (txid, amount, fee) = self.withdraw(&command)?;
                (Reply::Withdrawing { txid, amount, fee }, Outcome::Withdrawing { txid, amount, fee })
            }
        })
    }

    /// What a lookup may miss from now on, until it is on the disk. At the very end of a step: what panics before has done nothing.
    pub(super) fn remember_requests(&mut self) {
        for past in &self.writes.requests {
            self.node.recent.carry_out(past.clone());
        }
    }
}
