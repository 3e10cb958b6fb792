//! BOLT 11: an invoice read with its signature checked, and one written and signed.

use crate::clock::{Row, Table, work};
use anyhow::{Result, anyhow};
use astrape_invoice::{Description, Invoice, InvoiceDraft};
use astrape_primitives::{Msat, Network, NodeId, PaymentHash, PaymentSecret};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use lightning_invoice::{Bolt11Invoice, Currency, InvoiceBuilder, PaymentSecret as LdkSecret};
use std::time::Duration;

const TIMESTAMP: u64 = 1_700_000_000;
const HASH: [u8; 32] = [1; 32];
const SECRET: [u8; 32] = [2; 32];
const AMOUNT_MSAT: u64 = 1_000_000;

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let (secp, key) = (Secp256k1::new(), SecretKey::from_slice(&[0x71; 32])?);
    let sign = |digest| secp.sign_ecdsa_recoverable(&Message::from_digest(digest), &key);
    let text = Description::Text("one of many".into());
    let payee = NodeId::from_key(&key.public_key(&secp));
    let draft = InvoiceDraft {
        amount: Some(Msat(AMOUNT_MSAT)),
        ..InvoiceDraft::new(
            Network::Regtest,
            payee,
            TIMESTAMP,
            PaymentHash(HASH),
            PaymentSecret(SECRET),
            text,
        )
    };
    let write = || -> Result<Invoice> {
        let unsigned = draft.to_unsigned()?;
        Ok(unsigned.finish(&sign(unsigned.signing_digest()))?)
    };
    let builder = || {
        InvoiceBuilder::new(Currency::Regtest)
            .amount_milli_satoshis(AMOUNT_MSAT)
            .description("one of many".into())
            .payment_hash(sha256::Hash::from_byte_array(HASH))
            .payment_secret(LdkSecret(SECRET))
            .duration_since_epoch(Duration::from_secs(TIMESTAMP))
            .min_final_cltv_expiry_delta(18)
            .basic_mpp()
    };
    let their_write = || builder().build_signed(|hash| secp.sign_ecdsa_recoverable(hash, &key));
    let invoice = write()?.to_string();
    let read: Bolt11Invoice = invoice.parse().map_err(|why| anyhow!("LDK does not read ours: {why:?}"))?;
    let theirs = their_write().map_err(|why| anyhow!("LDK writes no invoice: {why:?}"))?.to_string();
    let _: Invoice = theirs.parse()?;
    assert_eq!(read.recover_payee_pub_key(), key.public_key(&secp));
    let (message, signature) = (Message::from_digest([9; 32]), sign([9; 32]));
    table.row(Row {
        name: "BOLT 11 invoice read".into(),
        bare: Some(work(|| secp.recover_ecdsa(&message, &signature))),
        astrape: work(|| invoice.parse::<Invoice>()),
        ldk: Some(work(|| invoice.parse::<Bolt11Invoice>())),
    });
    table.row(Row {
        name: "BOLT 11 invoice written".into(),
        // Whoever writes one reads it back, and so do both.
        bare: Some(work(|| (sign([9; 32]), secp.recover_ecdsa(&message, &signature)))),
        astrape: work(|| write().map(|invoice| invoice.to_string())),
        ldk: Some(work(|| their_write().map(|invoice| invoice.to_string()))),
    });
    Ok(())
}
