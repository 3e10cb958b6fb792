//! After a part has failed: whether the rest is tried anew, and how a payment ends.

use super::learn::Verdict;
use super::{PayOutput, PayView, Payment, Trip, search};

impl Payment {
    /// A probe has done what it was to do.
    pub(super) fn reached(&mut self, trip: &Trip, words: String) -> PayOutput {
        let part = &trip.part;
        self.gave_up = Some(words.clone());
        let (fee, hops, hold_times) = (part.fee, part.nodes().collect(), trip.hold_times());
        PayOutput::Reached { fee, hops, hold_times, words }
    }

    /// After a part has failed: tries the rest anew, or gives up; tells of the failure when the last part is back.
    pub(super) fn go_on(
        &mut self,
        words: Option<String>,
        verdict: Verdict,
        view: &PayView<'_>,
    ) -> Vec<PayOutput> {
        if self.preimage.is_some() {
            return Vec::new();
        }
        self.last_failure = words.or(self.last_failure.take());
        if self.gave_up.is_some() {
            return self.end().into_iter().collect();
        }
        match self.retry(verdict, view) {
            Ok(offers) => offers,
            Err(why) => self.give_up(&why),
        }
    }

    /// The error says why nothing more is tried; it is empty where the failure says enough.
    fn retry(&mut self, verdict: Verdict, view: &PayView<'_>) -> Result<Vec<PayOutput>, String> {
        let waits = matches!(verdict, Verdict::Later);
        match verdict {
            Verdict::GiveUp => return Err(String::new()),
            Verdict::Anew if !self.parts.is_empty() => return Ok(Vec::new()),
            Verdict::Anew | Verdict::Later => {}
            Verdict::Avoid(avoid) => {
                let attempts = self.attempts;
                avoid.into_iter().for_each(|avoid| self.lessons.add(avoid, attempts));
            }
        }
        if self.waits_for_scouts() {
            return Ok(Vec::new());
        }
        if view.now >= self.retry_until {
            return Err("the time for retries is up".to_owned());
        }
        if self.attempts >= view.policy.max_payment_attempts || self.searches >= search::MAX_SEARCHES {
            return Err(format!("{} attempts were made", self.attempts));
        }
        if waits {
            self.ask_later(view);
            return Ok(Vec::new());
        }
        let recipient = self.recipient()?;
        self.offer_missing(&recipient, view).map_err(|refusal| refusal.to_string())
    }

    /// Whether what finds no way beside the parts in flight may find one when they are back: they lie where it should. Their recipient
    /// keeps them for a while, and it may be that one comes back before and shows a way.
    pub(super) fn waits_for_parts(&self, view: &PayView<'_>) -> bool {
        !self.parts.is_empty() && view.now < self.retry_until
    }

    /// Nothing more is tried, for this reason beside the last failure.
    pub(super) fn give_up(&mut self, why: &str) -> Vec<PayOutput> {
        self.asked_at = None;
        self.gave_up = Some(match &self.last_failure {
            Some(failure) if why.is_empty() => failure.clone(),
            Some(failure) => format!("{failure} ({why})"),
            None => why.to_owned(),
        });
        self.end().into_iter().collect()
    }

    /// The failure is told when the last part is back.
    fn end(&self) -> Option<PayOutput> {
        let reason = self.gave_up.clone().filter(|_| self.parts.is_empty())?;
        Some(PayOutput::Failed { reason })
    }
}
