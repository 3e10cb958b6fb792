//! The end of a channel: `shutdown` and `closing_signed` (BOLT 2), going on chain alone, and the spend of the funding.
//!
//! | room | what is in it |
//! |---|---|
//! | `script` | where a `shutdown` may send money |
//! | `shutdown` | `shutdown`, both ways |
//! | `negotiate` | `closing_signed`, both ways |
//! | `decide` | what follows from a fee of the peer |
//! | `unilateral` | our own commitment, and the peer's `error` |
//! | `spend` | the funding is spent on chain |
//! | `owed` | what is owed to the chain and to the signer after a restart |

mod decide;
mod negotiate;
mod owed;
mod script;
mod shutdown;
mod spend;
mod unilateral;

pub use negotiate::Negotiation;
pub(crate) use script::is_allowed as script_is_allowed;
pub(crate) use unilateral::error_message;
pub use unilateral::{is_passing, words_of};

use crate::channel::{Channel, How, Link, Phase, Up};
use crate::event::{Command, Event};
use crate::fault::{Fault, Refusal};
use crate::open::Work;
use crate::output::{Output, Transition};
use crate::policy::View;
use astrape_wire::Message;

/// Dispatches an event for a channel that is closing or closed.
pub(crate) fn handle(channel: &Channel, event: Event, view: &View<'_>) -> Result<Transition, Fault> {
    let Phase::Closing(closing) = &channel.phase else {
        return Ok(closed(channel, event));
    };
    let mut work = Work {
        open: closing.open.clone(),
        link: channel.link.clone(),
        how: Some(closing.how.clone()),
        outputs: Vec::new(),
        view,
    };
    match event {
        Event::Connected => work.connected_while_closing(),
        Event::Disconnected => work.disconnected(),
        Event::Message(message) => handle_message(work, message),
        Event::Command(command) => Ok(handle_command(work, command, view)),
        Event::Tip(height) => {
            work.forget_what_was_never_funded(height);
            Ok(work.finish())
        }
        Event::PreimageSeen { id, preimage } => Ok(work.preimage_seen(id, preimage)),
        Event::Resolved => Ok(work.resolved()),
        Event::FundingConfirmed { tx, height, index } => {
            // Whatever it pays, there is nothing left to fail.
            work.note_confirmation(&tx, height, index);
            Ok(work.finish())
        }
        Event::FundingReorged => work.funding_reorged(),
        Event::FundingSpent { tx, height } => Ok(work.funding_spent(tx, height)),
        Event::SpendReorged => {
            work.open.funding.spent = None;
            Ok(work.finish())
        }
        Event::StateIsOld => Ok(work.state_is_old()),
        Event::Point { number, point } => work.point(number, point),
        Event::Add { .. } | Event::Propose | Event::SecretChecked { .. } => Ok(work.finish()),
    }
}

/// The peer may not have our last `closing_signed`: a cooperative close is negotiated again. A preimage is worth its HTLC upstream,
/// however late it comes. Who goes on with a channel that has failed is told so. To all else there is no answer any more.
fn handle_message(work: Work<'_>, message: Message) -> Result<Transition, Fault> {
    match message {
        Message::UpdateFulfillHtlc(m) => return Ok(work.preimage_seen(m.id, m.payment_preimage)),
        Message::ChannelReestablish(m) => return work.reestablish_while_closing(&m),
        Message::Error(m) if work.open.is_the_peers_to_give_up() => return Ok(work.given_up(&m)),
        _ => {}
    }
    if !matches!(work.how, Some(How::Cooperative { .. })) {
        return Ok(work.finish());
    }
    let spent = work.open.funding.spent.is_some();
    match message {
        // A block came while it was on its way: nothing is left to agree on.
        Message::Shutdown(_) | Message::ClosingSigned(_) if spent => Ok(work.finish()),
        Message::Shutdown(m) => work.shutdown(&m),
        Message::ClosingSigned(m) => work.closing_signed(&m),
        _ => Ok(work.finish()),
    }
}

fn handle_command(mut work: Work<'_>, command: Command, view: &View<'_>) -> Transition {
    match command {
        Command::Add(new) => {
            work.refuse(&new, Refusal::NotUsable("closing"));
            work.finish()
        }
        Command::Resolve { id, resolution } => work.resolve(id, resolution),
        Command::ForceClose { reason } if work.open.funding.spent.is_none() => match &work.how {
            Some(How::Spent) => work.force_close(reason),
            Some(How::Cooperative { request, .. }) => match work.open.refuses_to_replace(&request.tx, view) {
                None => work.force_close(reason),
                Some(problem) => {
                    work.outputs.push(Output::Refused(Refusal::Close(problem)));
                    work.finish()
                }
            },
            how => {
                let problem = how.as_ref().and_then(How::why_not_forced);
                work.outputs.extend(problem.map(|problem| Output::Refused(Refusal::Close(problem))));
                work.finish()
            }
        },
        Command::ForceClose { .. }
        | Command::Shutdown { .. }
        | Command::UpdateFee(_)
        | Command::RefuseWaiting
        | Command::Fund { .. } => work.finish(),
    }
}

fn closed(channel: &Channel, event: Event) -> Transition {
    let mut next = channel.clone();
    let mut outputs = Vec::new();
    match event {
        Event::Connected => next.link = Link::Up(Up::default()),
        Event::Disconnected => next.link = Link::Down,
        Event::Command(Command::Add(new)) => outputs.push(Output::NotOffered {
            origin: new.origin,
            payment_hash: new.payment_hash,
            refusal: Refusal::NotUsable("closed"),
        }),
        _ => {}
    }
    Transition { next, outputs }
}
