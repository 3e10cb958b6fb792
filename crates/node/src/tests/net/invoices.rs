//! Invoices of the nodes in a row, and who pays them.

use super::Net;
use crate::Refusal;
use crate::command::{Command, PayCommand, Reply};
use astrape_invoice::{Description, Invoice, InvoiceDraft, RouteHint};
use astrape_payment::OpenInvoice;
use astrape_primitives::{Msat, Network, PaymentHash, PaymentPreimage, PaymentSecret, Timestamp};
use astrape_transactions::signing::Signer as _;

impl Net {
    pub(in crate::tests) fn invoice(&mut self, who: usize, amount: Msat) -> Invoice {
        self.invoice_with(who, amount, |_| {})
    }

    /// An invoice whose hints are not all that its payee knows.
    pub(in crate::tests) fn invoice_with(
        &mut self,
        who: usize,
        amount: Msat,
        change: impl Fn(&mut RouteHint),
    ) -> Invoice {
        self.open_invoice(who, amount, (true, false), change)
    }

    /// A hold invoice, made of its hash alone or with its preimage.
    pub(in crate::tests) fn hold_invoice(&mut self, who: usize, amount: Msat, knows: bool) -> Invoice {
        self.open_invoice(who, amount, (knows, true), |_| {})
    }

    /// An invoice over the hash of somebody else's, which its writer cannot redeem.
    pub(in crate::tests) fn invoice_for_hash(
        &mut self,
        who: usize,
        amount: Msat,
        hash: PaymentHash,
    ) -> Invoice {
        self.write_invoice(who, amount, hash, |_| {}).0
    }

    /// Begins to pay.
    pub(in crate::tests) fn pay(&mut self, who: usize, invoice: &Invoice) -> Result<Reply, Refusal> {
        self.command(who, Command::Pay(Box::new(PayCommand::new(invoice.clone()))))
    }

    /// An invoice that its writer waits for; whether it knows the preimage, and whether it holds what comes.
    fn open_invoice(
        &mut self,
        who: usize,
        amount: Msat,
        (knows, hold): (bool, bool),
        change: impl Fn(&mut RouteHint),
    ) -> Invoice {
        let preimage = PaymentPreimage(self.fresh32());
        let payment_hash = preimage.payment_hash();
        self.preimages.insert(payment_hash, preimage);
        let (invoice, payment_secret) = self.write_invoice(who, amount, payment_hash, change);
        let open = OpenInvoice {
            payment_hash,
            preimage: knows.then_some(preimage),
            hold,
            canceled: false,
            payment_secret,
            amount: Some(amount),
            metadata: None,
            expires_at: Timestamp::from_secs(invoice.expires_at()),
            min_final_cltv_expiry_delta: invoice.min_final_cltv_expiry_delta(),
            created_at: self.now,
            description: "a test".into(),
            bolt11: invoice.to_string(),
        };
        assert_eq!(
            self.command(who, Command::AddInvoice { invoice: Box::new(open), earlier: None }),
            Ok(Reply::Done)
        );
        invoice
    }

    fn write_invoice(
        &mut self,
        who: usize,
        amount: Msat,
        payment_hash: PaymentHash,
        change: impl Fn(&mut RouteHint),
    ) -> (Invoice, PaymentSecret) {
        let secret = PaymentSecret(self.fresh32());
        let text = Description::Text("a test".into());
        let (now, payee, node) = (self.now, self.id(who), &self.members[who].node);
        let mut draft = InvoiceDraft::new(Network::Regtest, payee, now.secs(), payment_hash, secret, text);
        draft.amount = Some(amount);
        draft.min_final_cltv_expiry_delta = node.config.payment.hold_cltv_expiry_delta(12);
        draft.route_hints = node.route_hints(Some(amount));
        draft.route_hints.iter_mut().flatten().for_each(change);
        let unsigned = draft.to_unsigned().expect("a draft that BOLT 11 can say");
        let signature = self.members[who].signer.sign_message(unsigned.signing_digest());
        (unsigned.finish(&signature).expect("signed by its payee"), secret)
    }
}
