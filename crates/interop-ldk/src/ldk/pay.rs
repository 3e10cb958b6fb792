//! Its invoices, and its payments.

use super::{Ldk, hash_of, lock};
use crate::seen::Ended;
use anyhow::Result;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::Secp256k1;
use lightning::bolt11_invoice::{
    Bolt11Invoice, Bolt11InvoiceDescription, Currency, Description, InvoiceBuilder,
};
use lightning::ln::channelmanager::{Bolt11InvoiceParameters, PaymentId, RecipientOnionFields, Retry};
use lightning::routing::router::{PaymentParameters, RouteParameters, RouteParametersConfig};
use lightning::types::payment::{PaymentHash, PaymentSecret};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a payment may take.
const PATIENCE: Duration = Duration::from_secs(300);

impl Ldk {
    /// An invoice that it will claim.
    ///
    /// # Errors
    /// When LDK makes none.
    pub fn invoice(&self, amount_msat: u64) -> Result<Bolt11Invoice> {
        let parameters = Bolt11InvoiceParameters {
            amount_msats: Some(amount_msat),
            description: Bolt11InvoiceDescription::Direct(description()?),
            ..Default::default()
        };
        let made = self.inner.manager.create_bolt11_invoice(parameters);
        made.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// An invoice that it will refuse when it is paid.
    ///
    /// # Errors
    /// When LDK makes none.
    pub fn invoice_to_refuse(&self, amount_msat: u64) -> Result<Bolt11Invoice> {
        let invoice = self.invoice(amount_msat)?;
        lock(&self.inner.refuse).insert(hash_of(&invoice));
        Ok(invoice)
    }

    /// An invoice with its signature, of which it knows nothing.
    ///
    /// # Errors
    /// When LDK makes none.
    pub fn unknown_invoice(&self, amount_msat: u64) -> Result<Bolt11Invoice> {
        let preimage = rand::random::<[u8; 32]>();
        self.signed_invoice(sha256::Hash::hash(&preimage), PaymentSecret(rand::random()), amount_msat)
    }

    /// An invoice over less than the one that it remembers for the same payment.
    ///
    /// # Errors
    /// When LDK makes none.
    pub fn invoice_for_too_little(&self, amount_msat: u64) -> Result<Bolt11Invoice> {
        let true_invoice = self.invoice(amount_msat * 2)?;
        self.signed_invoice(*true_invoice.payment_hash(), *true_invoice.payment_secret(), amount_msat)
    }

    fn signed_invoice(
        &self,
        hash: sha256::Hash,
        secret: PaymentSecret,
        amount_msat: u64,
    ) -> Result<Bolt11Invoice> {
        let builder = InvoiceBuilder::new(Currency::Regtest)
            .description("interop".to_owned())
            .payment_hash(hash)
            .payment_secret(secret)
            .duration_since_epoch(SystemTime::now().duration_since(UNIX_EPOCH)?)
            .min_final_cltv_expiry_delta(24)
            .amount_milli_satoshis(amount_msat);
        let key = self.keys.get_node_secret_key();
        let made = builder.build_signed(|digest| Secp256k1::new().sign_ecdsa_recoverable(digest, &key));
        made.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// Begins to pay an invoice and returns the hash.
    ///
    /// # Errors
    /// When LDK refuses to.
    pub fn begin_to_pay(&self, invoice: &str) -> Result<[u8; 32]> {
        self.begin(invoice, Retry::Attempts(3))
    }

    /// Pays an invoice, again and again for so long if need be, and returns how that ended.
    ///
    /// # Errors
    /// When LDK refuses to, or it does not end.
    pub fn pay_within(&self, invoice: &str, time: Duration) -> Result<Ended> {
        let hash = self.begin(invoice, Retry::Timeout(time))?;
        self.end_of(hash)
    }

    fn begin(&self, invoice: &str, retry: Retry) -> Result<[u8; 32]> {
        let invoice = read(invoice)?;
        let hash = hash_of(&invoice);
        lock(&self.inner.seen).ended.remove(&hash);
        let config = RouteParametersConfig::default();
        let begun = self.inner.manager.pay_for_bolt11_invoice(&invoice, PaymentId(hash), None, config, retry);
        begun.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(hash)
    }

    /// Pays an invoice and returns how that ended.
    ///
    /// # Errors
    /// When LDK refuses to, or it does not end.
    pub fn pay(&self, invoice: &str) -> Result<Ended> {
        let hash = self.begin_to_pay(invoice)?;
        self.end_of(hash)
    }

    /// Pays another amount, or for another hash, than an invoice says, and returns how that ended.
    ///
    /// # Errors
    /// When LDK refuses to, or it does not end.
    pub fn pay_otherwise(&self, invoice: &str, hash: Option<[u8; 32]>, amount_msat: u64) -> Result<Ended> {
        let invoice = read(invoice)?;
        let hash = hash.unwrap_or_else(|| hash_of(&invoice));
        let payment = PaymentParameters::from_bolt11_invoice(&invoice);
        let parameters = RouteParameters::from_payment_params_and_value(payment, amount_msat);
        let secret = RecipientOnionFields::secret_only(*invoice.payment_secret());
        lock(&self.inner.seen).ended.remove(&hash);
        let sent = self.inner.manager.send_payment(
            PaymentHash(hash),
            secret,
            PaymentId(hash),
            parameters,
            Retry::Attempts(0),
        );
        sent.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.end_of(hash)
    }

    /// Waits for the end of a payment.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end_of(&self, hash: [u8; 32]) -> Result<Ended> {
        self.wait("a payment to end", PATIENCE, || Ok(lock(&self.inner.seen).ended.get(&hash).cloned()))
    }
}

fn read(invoice: &str) -> Result<Bolt11Invoice> {
    invoice.parse().map_err(|error| anyhow::anyhow!("LDK cannot read {invoice}: {error:?}"))
}

fn description() -> Result<Description> {
    Description::new("interop".to_owned()).map_err(|error| anyhow::anyhow!("{error:?}"))
}
