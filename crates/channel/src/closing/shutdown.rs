//! `shutdown`, both ways (BOLT 2 "Closing Initiation").
//!
//! Our own updates never wait for a signature once they were said, so ours may be sent at any time; what was not said yet
//! is refused in the same step.

use super::script;
use crate::channel::{Link, Open};
use crate::fault::{Fault, Refusal};
use crate::open::Work;
use crate::output::{Output, Story, Transition};
use astrape_primitives::{Feature, HtlcId};
use astrape_wire::{Message, Shutdown};
use bitcoin::ScriptBuf;

impl Open {
    /// A version 0 witness program for what is ours of a cooperative close, which every peer knows: the script of
    /// `to_remote`. What it gets is claimed as that is.
    #[must_use]
    pub fn plain_close_script(&self) -> ScriptBuf {
        self.params.format.to_remote_script(&self.params.local.basepoints.payment)
    }
}

impl Work<'_> {
    /// We want to close: says `shutdown` as soon as the link is up. Also the answer to [`Output::ShutdownScriptNeeded`].
    pub(crate) fn begin_shutdown(mut self, script: ScriptBuf) -> Transition {
        if self.open.shutdown.local.is_some() {
            return self.finish();
        }
        if let Some(problem) = self.problem_with(&script) {
            self.outputs.push(Output::Refused(Refusal::Close(problem)));
            return self.finish();
        }
        self.open.shutdown.by_us = self.open.shutdown.remote.is_none();
        if self.open.shutdown.by_us {
            self.outputs.push(Output::Story(Story::ShuttingDown { by_us: true }));
        }
        self.set_local_script(script);
        self.open_negotiation();
        self.finish()
    }

    fn problem_with(&self, script: &ScriptBuf) -> Option<String> {
        let upfront = self.open.params.local.upfront_shutdown_script.as_ref();
        if upfront.is_some_and(|upfront| upfront != script) {
            return Some("another script than the one that was promised when the channel was opened".into());
        }
        // Without a connection the peer's features are not known; most peers know all witness programs.
        let known = matches!(self.link, Link::Up(_));
        let allowed = if known { script::is_allowed(script, self.view) } else { script.is_witness_program() };
        (!allowed).then(|| match script.is_witness_program() {
            true => "the peer takes no address of this kind yet: give a P2WPKH or P2WSH address".into(),
            false => "a close pays to witness programs only: give a P2WPKH, P2WSH or P2TR address".into(),
        })
    }

    /// The peer closes.
    pub(crate) fn shutdown(mut self, message: &Shutdown) -> Result<Transition, Fault> {
        let up = self.up("shutdown")?;
        if !up.adds.is_empty() {
            return Err(Fault::Shutdown("it came after HTLCs that are not signed".into()));
        }
        up.shutdown_received = true;
        let script = &message.scriptpubkey;
        self.check_remote_script(script)?;
        if self.open.shutdown.remote.is_none() {
            self.open.shutdown.remote = Some(script.clone());
            self.refuse_waiting(&Refusal::NotUsable("closing"));
            if self.open.shutdown.local.is_none() {
                self.outputs.push(Output::Story(Story::ShuttingDown { by_us: false }));
                self.answer_shutdown();
            }
        }
        self.open_negotiation();
        Ok(self.finish())
    }

    fn check_remote_script(&self, script: &ScriptBuf) -> Result<(), Fault> {
        if self.open.shutdown.remote.as_ref().is_some_and(|earlier| earlier != script) {
            return Err(Fault::Shutdown("another script than in the shutdown before".into()));
        }
        if self.open.params.remote.upfront_shutdown_script.as_ref().is_some_and(|upfront| upfront != script) {
            return Err(Fault::Shutdown("another script than its upfront_shutdown_script".into()));
        }
        if !script::is_allowed(script, self.view) {
            return Err(Fault::Shutdown("the script has none of the allowed forms".into()));
        }
        Ok(())
    }

    /// Answers at once with the script that we are bound to; asks for one otherwise. Scripts of the wallet are taproot: a peer
    /// that may not be given such a one gets one of the channel's own.
    fn answer_shutdown(&mut self) {
        match self.open.params.local.upfront_shutdown_script.clone() {
            Some(script) => self.set_local_script(script),
            None if self.view.negotiated(Feature::ShutdownAnysegwit) => {
                self.outputs.push(Output::ShutdownScriptNeeded);
            }
            None => self.set_local_script(self.open.plain_close_script()),
        }
    }

    fn set_local_script(&mut self, script: ScriptBuf) {
        self.open.shutdown.local = Some(script);
        self.refuse_waiting(&Refusal::NotUsable("closing"));
        if matches!(self.link, Link::Up(_)) {
            self.say_shutdown();
        }
    }

    /// Nothing that waits is offered any more.
    pub(crate) fn refuse_waiting(&mut self, refusal: &Refusal) {
        for new in std::mem::take(&mut self.open.waiting) {
            self.refuse(&new, refusal.clone());
        }
    }

    fn say_shutdown(&mut self) {
        if let Some(scriptpubkey) = self.open.shutdown.local.clone() {
            let unsigned = if let Link::Up(up) = &self.link { up.adds.len() as u64 } else { 0 };
            let next = HtlcId(self.open.next_remote_id.0.saturating_add(unsigned));
            self.open.shutdown.late_from.get_or_insert(next);
            let channel_id = self.open.params.channel_id;
            self.send(Message::Shutdown(Shutdown { channel_id, scriptpubkey }));
        }
    }

    /// After a reconnection: says `shutdown` again, or asks again for the script of an answer.
    pub(crate) fn say_shutdown_again(&mut self) {
        if self.open.shutdown.local.is_some() {
            self.say_shutdown();
        } else if self.open.shutdown.remote.is_some() {
            self.answer_shutdown();
        }
    }
}
