//! How a payment begins: what is refused at once, and its first value.

use super::recipient::Recipient;
use super::{OwnChannel, PayOutput, PayRequest, PayView, Payee, Payment, RouteQuery, What, offer};
use crate::policy::MAX_OVERPAYMENT_FACTOR;
use crate::refusal::PayRefusal;
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{Msat, Sat, Timestamp};
use std::collections::BTreeMap;

impl Payment {
    /// Begins a payment: its value, and what follows.
    ///
    /// # Errors
    /// When there can be no way; nothing has happened then.
    pub fn start(request: PayRequest, view: &PayView<'_>) -> Result<(Self, Vec<PayOutput>), PayRefusal> {
        let (mut payment, recipient) = Self::begun(request, view)?;
        let outputs = payment.offer_missing(&recipient, view)?;
        Ok((payment, outputs))
    }

    /// What path search would be asked for a payment that does not begin.
    ///
    /// # Errors
    /// When there can be no way.
    pub fn preview(request: PayRequest, view: &PayView<'_>) -> Result<RouteQuery, PayRefusal> {
        let (payment, recipient) = Self::begun(request, view)?;
        let max_parts = payment.parts_asked(&recipient, view.policy);
        Ok(payment.query(view.payer, &recipient, view.channels, view.policy, max_parts))
    }

    /// A payment of which nothing was sent.
    fn begun(request: PayRequest, view: &PayView<'_>) -> Result<(Self, Recipient), PayRefusal> {
        let amount = check(&request, view)?;
        let recipient = Recipient::of(&request.payee);
        let leaving: Vec<OwnChannel> = match &request.circle {
            Some(circle) => view.channels.iter().filter(|own| own.keys == circle.out).copied().collect(),
            None => view.channels.to_vec(),
        };
        offer::refuse_at_our_end(amount, &recipient, &PayView { channels: &leaving, ..*view })?;
        let lessons = request.circle.map(|circle| circle.lessons(view.channels)).unwrap_or_default();
        let PayView { now, policy, .. } = view;
        let retry_secs = request.retry_secs.unwrap_or(policy.retry_secs);
        let mut retry_until = now.plus(retry_secs.saturating_mul(1_000));
        let payment_hash = request.payee.payment_hash();
        let what = match request.payee {
            Payee::Invoice(invoice) => {
                retry_until = retry_until.min(Timestamp::from_secs(invoice.expires_at()));
                What::Invoice(invoice.to_string())
            }
            Payee::Keysend { preimage, custom_records, .. } => What::Keysend { preimage, custom_records },
            Payee::Probe { payment_secret, invoice, .. } => What::Probe { payment_secret, invoice },
        };
        let payment = Self {
            payment_hash,
            destination: recipient.node,
            amount,
            max_fee: request.max_fee.unwrap_or_else(|| policy.default_max_fee(amount)),
            what,
            session_key_seed: request.session_key_seed,
            parts: BTreeMap::new(),
            attempts: 0,
            searches: 0,
            asked_at: None,
            lessons,
            preimage: None,
            gave_up: None,
            beside: BTreeMap::new(),
            last_failure: None,
            started_at: *now,
            retry_until,
        };
        Ok((payment, recipient))
    }
}

/// What has nothing to do with ways. Gives the amount to pay.
fn check(request: &PayRequest, view: &PayView<'_>) -> Result<Msat, PayRefusal> {
    let invoice = match &request.payee {
        Payee::Invoice(invoice) => Some(invoice),
        Payee::Probe { invoice, .. } => invoice.as_ref(),
        Payee::Keysend { .. } => None,
    };
    let other = invoice.map(|invoice| invoice.network()).filter(|network| *network != request.network);
    if let Some(network) = other {
        return Err(PayRefusal::OtherNetwork { invoice: network, ours: request.network });
    }
    if (request.payee.node() == view.payer) != request.circle.is_some() {
        return Err(PayRefusal::OwnInvoice);
    }
    if let Some(invoice) = invoice.filter(|invoice| invoice.is_expired_at(view.now.secs())) {
        return Err(PayRefusal::Expired { secs: view.now.secs().saturating_sub(invoice.expires_at()) });
    }
    let amount = match (request.payee.amount(), request.amount) {
        (None, None) => return Err(PayRefusal::AmountMissing),
        (Some(amount), None) | (None, Some(amount)) => amount,
        (Some(asked), Some(given)) => {
            let most = asked.checked_mul(MAX_OVERPAYMENT_FACTOR).unwrap_or(asked);
            if !(asked..=most).contains(&given) {
                return Err(PayRefusal::OtherAmount { asked, given });
            }
            given
        }
    };
    if amount == Msat::ZERO || amount > Sat(MAX_MONEY_SAT).to_msat() {
        return Err(PayRefusal::Amount(amount));
    }
    Ok(amount)
}
