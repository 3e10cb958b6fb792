//! Why something was refused. What is displayed is Bitcoin Core's own reject reason, so that code which reads the
//! answers of a real node reads these too.

use bitcoin::Txid;

/// A consensus rule that a transaction breaks, in a block as in the mempool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxInvalid {
    /// No inputs (`CheckTransaction`).
    #[error("bad-txns-vin-empty")]
    NoInputs,
    /// No outputs (`CheckTransaction`).
    #[error("bad-txns-vout-empty")]
    NoOutputs,
    /// Larger than a block even without its witness (`CheckTransaction`).
    #[error("bad-txns-oversize")]
    Oversize,
    /// An output above all the money there is (`CheckTransaction`, `MAX_MONEY`).
    #[error("bad-txns-vout-toolarge")]
    OutputTooLarge,
    /// The outputs together above all the money there is (`CheckTransaction`, `MAX_MONEY`).
    #[error("bad-txns-txouttotal-toolarge")]
    OutputsTooLarge,
    /// The same outpoint spent twice by one transaction (`CheckTransaction`).
    #[error("bad-txns-inputs-duplicate")]
    DuplicateInputs,
    /// The null outpoint in what is no coinbase (`CheckTransaction`).
    #[error("bad-txns-prevout-null")]
    NullPrevout,
    /// The absolute locktime has not come (`IsFinalTx`, BIP 113).
    #[error("non-final")]
    NonFinal,
    /// A relative locktime has not come (`CheckSequenceLocks`, BIP 68).
    #[error("non-BIP68-final")]
    NonBip68Final,
    /// An input that does not exist or is spent (`Consensus::CheckTxInputs`).
    #[error("bad-txns-inputs-missingorspent")]
    MissingInputs,
    /// A coinbase spent before it has 100 confirmations (`COINBASE_MATURITY`).
    #[error("bad-txns-premature-spend-of-coinbase")]
    PrematureCoinbaseSpend,
    /// The inputs together above all the money there is (`Consensus::CheckTxInputs`).
    #[error("bad-txns-inputvalues-outofrange")]
    InputsTooLarge,
    /// More goes out than comes in (`Consensus::CheckTxInputs`).
    #[error("bad-txns-in-belowout")]
    OutputsAboveInputs,
    /// An input's script does not allow the spend (`CheckInputScripts`, mandatory flags).
    #[error("mandatory-script-verify-flag-failed (input {input})")]
    Script {
        /// Index of the input.
        input: usize,
    },
}

/// Why the mempool refused a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MempoolReject {
    /// A consensus rule.
    #[error(transparent)]
    Invalid(#[from] TxInvalid),
    /// A coinbase outside a block (`MemPoolAccept::PreChecks`).
    #[error("coinbase")]
    Coinbase,
    /// A version outside 1..=3 (`IsStandardTx`, `TX_MAX_STANDARD_VERSION`).
    #[error("version")]
    Version,
    /// Above 400,000 weight units (`IsStandardTx`, `MAX_STANDARD_TX_WEIGHT`).
    #[error("tx-size")]
    Size,
    /// Below 65 bytes without witness (`MIN_STANDARD_TX_NONWITNESS_SIZE`, CVE-2017-12842).
    #[error("tx-size-small")]
    SizeSmall,
    /// A scriptSig above 1,650 bytes (`IsStandardTx`, `MAX_STANDARD_SCRIPTSIG_SIZE`).
    #[error("scriptsig-size")]
    ScriptSigSize,
    /// A scriptSig that does more than push (`IsStandardTx`).
    #[error("scriptsig-not-pushonly")]
    ScriptSigNotPushOnly,
    /// An output script of no standard form (`IsStandard`).
    #[error("scriptpubkey")]
    ScriptPubkey,
    /// More than one data output (`IsStandardTx`).
    #[error("multi-op-return")]
    MultiOpReturn,
    /// An output not worth spending at 3 sat/vbyte (`GetDustThreshold`, `PreCheckEphemeralTx`).
    #[error("dust")]
    Dust,
    /// A spend of an output of no standard form (`AreInputsStandard`).
    #[error("bad-txns-nonstandard-inputs")]
    NonstandardInputs,
    /// A witness with too many, too large or unneeded items (`IsWitnessStandard`).
    #[error("bad-witness-nonstandard")]
    NonstandardWitness,
    /// More than 16,000 signature operations (`MAX_STANDARD_TX_SIGOPS_COST`).
    #[error("bad-txns-too-many-sigops")]
    TooManySigops,
    /// The very same transaction is in the mempool.
    #[error("txn-already-in-mempool")]
    AlreadyInMempool,
    /// The same transaction with another witness is in the mempool.
    #[error("txn-same-nonwitness-data-in-mempool")]
    SameNonWitnessDataInMempool,
    /// It is confirmed and one of its outputs is unspent.
    #[error("txn-already-known")]
    AlreadyKnown,
    /// Below [`crate::Policy::min_relay`] (`-minrelaytxfee`).
    #[error("min relay fee not met")]
    MinRelayFee,
    /// Below [`crate::Policy::mempool_min`] (`CTxMemPool::GetMinFee`).
    #[error("mempool min fee not met")]
    MempoolMinFee,
    /// A replacement that pays too little: BIP 125 rule 3 or 4 (`PaysForRBF`), or a feerate not above that of what it
    /// conflicts with (`PaysMoreThanConflicts`).
    #[error("insufficient fee")]
    InsufficientFee,
    /// A replacement that would evict more than 100 transactions: BIP 125 rule 5 (`GetEntriesForConflicts`).
    #[error("too many potential replacements")]
    TooManyReplacements,
    /// A replacement with an unconfirmed input that the replaced did not have: BIP 125 rule 2 (`HasNoNewUnconfirmed`).
    #[error("replacement-adds-unconfirmed")]
    ReplacementAddsUnconfirmed,
    /// A replacement that spends what it would evict (`EntriesAndTxidsDisjoint`).
    #[error("bad-txns-spends-conflicting-tx")]
    SpendsConflicting,
    /// Above 25 transactions or 101 kvB of ancestors or descendants (`-limitancestorcount` and its three sisters).
    #[error("too-long-mempool-chain")]
    TooLongChain,
    /// A rule of version 3 transactions (`SingleTRUCChecks`, BIP 431).
    #[error("TRUC-violation")]
    TrucViolation,
    /// A parent's ephemeral dust is not spent (`CheckEphemeralSpends`).
    #[error("missing-ephemeral-spends")]
    MissingEphemeralSpends,
    /// A signature with a high S (`SCRIPT_VERIFY_LOW_S`, BIP 146).
    #[error("non-mandatory-script-verify-flag (Non-canonical signature: S value is unnecessarily high)")]
    HighS,
    /// A signature whose hash type is unknown (`SCRIPT_VERIFY_STRICTENC`).
    #[error("non-mandatory-script-verify-flag (Signature hash type missing or not understood)")]
    SighashType,
    /// A witness script's `OP_IF` fed with something other than nothing or 1 (`SCRIPT_VERIFY_MINIMALIF`).
    #[error("non-mandatory-script-verify-flag (OP_IF/NOTIF argument must be minimal)")]
    MinimalIf,
}

impl MempoolReject {
    /// Bitcoin Core's `TX_RECONSIDERABLE`: alone it pays too little, in a package it may do.
    pub(crate) fn is_reconsiderable(&self) -> bool {
        matches!(self, Self::MinRelayFee | Self::MempoolMinFee | Self::InsufficientFee)
    }

    /// The chain or the mempool has this transaction already: whoever wanted it sent has what they want.
    #[must_use]
    pub fn is_already_there(&self) -> bool {
        matches!(self, Self::AlreadyInMempool | Self::SameNonWitnessDataInMempool | Self::AlreadyKnown)
    }
}

/// What is wrong with a package as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageFault {
    /// More than 25 transactions (`MAX_PACKAGE_COUNT`), or none.
    #[error("package-too-many-transactions")]
    TooMany,
    /// More than 404,000 weight units (`MAX_PACKAGE_WEIGHT`).
    #[error("package-too-large")]
    TooLarge,
    /// The same transaction twice (`IsWellFormedPackage`).
    #[error("package-contains-duplicates")]
    Duplicates,
    /// A child stands before its parent (`IsTopoSortedPackage`).
    #[error("package-not-sorted")]
    NotSorted,
    /// Two transactions spend the same output (`IsConsistentPackage`).
    #[error("conflict-in-package")]
    Conflict,
    /// The last transaction is not the child of all others (`IsChildWithParents`).
    #[error("package-not-child-with-parents")]
    NotChildWithParents,
    /// The package with its ancestors goes above the limits of chains (`PackageMempoolChecks`).
    #[error("package-mempool-limits")]
    MempoolLimits,
    /// The package replaces something and breaks a rule for that (`PackageRBFChecks`).
    #[error("package RBF failed")]
    Replacement,
    /// A transaction of it was refused; see [`PackageReject::transactions`].
    #[error("transaction failed")]
    Transaction,
}

/// Why a package was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}{}", self.details())]
pub struct PackageReject {
    /// What is wrong with the package as a whole.
    pub fault: PackageFault,
    /// What is wrong with single transactions, in the order of the package. Those not listed were accepted.
    pub transactions: Vec<(Txid, MempoolReject)>,
}

impl PackageReject {
    fn details(&self) -> String {
        self.transactions.iter().map(|(txid, reject)| format!("; {txid}: {reject}")).collect()
    }
}

impl From<PackageFault> for PackageReject {
    fn from(fault: PackageFault) -> Self {
        Self { fault, transactions: Vec::new() }
    }
}

/// Why a block was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockReject {
    /// Above 4,000,000 weight units (`MAX_BLOCK_WEIGHT`).
    #[error("bad-blk-weight")]
    Weight,
    /// A second coinbase (`CheckBlock`).
    #[error("bad-cb-multiple")]
    SecondCoinbase,
    /// A transaction breaks a consensus rule (`ConnectBlock`).
    #[error("{txid}: {invalid}")]
    Transaction {
        /// The transaction.
        txid: Txid,
        /// The rule.
        invalid: TxInvalid,
    },
}
