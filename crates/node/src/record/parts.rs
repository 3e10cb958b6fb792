//! Values that several records share.

use super::codec::Unreadable;
use astrape_channel::commitments::Numbers;
use astrape_primitives::{CommitmentNumber, Sat, Side};
use astrape_transactions::signing::{Keychain, WalletInput};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field, Reader};
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use std::sync::Arc;

pub(crate) fn put_side(side: Side, out: &mut Vec<u8>) {
    out.push(u8::from(side == Side::Remote));
}

pub(crate) fn get_side(r: &mut Reader<'_>) -> Result<Side, ValueError> {
    Ok(if r.read::<u8>()? == 0 { Side::Local } else { Side::Remote })
}

pub(crate) fn put_some<T: Field>(value: Option<&T>, out: &mut Vec<u8>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        value.write(out);
    }
}

pub(crate) fn get_some<T: Field>(r: &mut Reader<'_>) -> Result<Option<T>, ValueError> {
    if r.read::<u8>()? == 0 { Ok(None) } else { r.read().map(Some) }
}

pub(crate) fn put_numbers(numbers: &Numbers, out: &mut Vec<u8>) {
    put_some(numbers.local.as_ref(), out);
    put_some(numbers.remote.as_ref(), out);
}

pub(crate) fn get_numbers(r: &mut Reader<'_>) -> Result<Numbers, ValueError> {
    Ok(Numbers { local: get_some::<CommitmentNumber>(r)?, remote: get_some(r)? })
}

pub(crate) fn put_outpoint(outpoint: &OutPoint, out: &mut Vec<u8>) {
    outpoint.txid.write(out);
    outpoint.vout.write(out);
}

pub(crate) fn get_outpoint(r: &mut Reader<'_>) -> Result<OutPoint, ValueError> {
    Ok(OutPoint { txid: r.read::<Txid>()?, vout: r.read()? })
}

pub(crate) fn tx_bytes(tx: &Transaction) -> Vec<u8> {
    serialize(tx)
}

pub(crate) fn tx_of(number: u64, bytes: &[u8]) -> Result<Transaction, Unreadable> {
    deserialize(bytes).map_err(|e| Unreadable::Field(number, e.to_string()))
}

pub(crate) fn arc_tx_of(number: u64, bytes: &[u8]) -> Result<Arc<Transaction>, Unreadable> {
    tx_of(number, bytes).map(Arc::new)
}

pub(crate) fn put_keychain(keychain: Keychain, out: &mut Vec<u8>) {
    out.push(u8::from(keychain == Keychain::Internal));
}

pub(crate) fn get_keychain(r: &mut Reader<'_>) -> Result<Keychain, ValueError> {
    Ok(if r.read::<u8>()? == 0 { Keychain::External } else { Keychain::Internal })
}

pub(crate) fn put_wallet_input(input: &WalletInput, out: &mut Vec<u8>) {
    put_outpoint(&input.outpoint, out);
    Sat::from(input.prevout.value).write(out);
    input.prevout.script_pubkey.write(out);
    put_keychain(input.keychain, out);
    input.index.write(out);
}

pub(crate) fn get_wallet_input(r: &mut Reader<'_>) -> Result<WalletInput, ValueError> {
    Ok(WalletInput {
        outpoint: get_outpoint(r)?,
        prevout: TxOut { value: r.read::<Sat>()?.into(), script_pubkey: r.read::<ScriptBuf>()? },
        keychain: get_keychain(r)?,
        index: r.read()?,
    })
}

/// Reads values until the field ends.
pub(crate) fn get_all<T>(
    r: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, ValueError>,
) -> Result<Vec<T>, ValueError> {
    let mut all = Vec::new();
    while !r.is_empty() {
        all.push(read(r)?);
    }
    Ok(all)
}
