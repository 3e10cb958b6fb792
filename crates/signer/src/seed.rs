//! The seed: 32 bytes of entropy, written down as 24 words (BIP 39).

use core::fmt;

use astrape_primitives::Network;
use bip39::{Language, Mnemonic};
use bitcoin::bip32::{ChildNumber, Fingerprint, Xpriv};
use bitcoin::secp256k1::{All, Secp256k1};
use zeroize::{Zeroize as _, Zeroizing};

/// How many words a seed has.
pub const WORDS: usize = 24;

/// Purpose of the paths that are ours alone.
const PURPOSE_NODE: u32 = 1037;

/// Purpose of BIP 86.
const PURPOSE_WALLET: u32 = 86;

/// Why words are not a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// Too few or too many.
    #[error("a seed has {WORDS} words, these are {0}")]
    Count(usize),
    /// Not in the English list of BIP 39.
    #[error("word {0} is not in the English word list of BIP 39")]
    UnknownWord(usize),
    /// The words are in the list, but some are wrong or in another order.
    #[error("the checksum of the words is wrong: check their spelling and order")]
    Checksum,
}

/// What everything is derived from. Wiped when dropped; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    entropy: Zeroizing<[u8; 32]>,
}

impl Seed {
    /// From 32 fresh random bytes.
    #[must_use]
    pub fn from_entropy(entropy: [u8; 32]) -> Self {
        Self { entropy: Zeroizing::new(entropy) }
    }

    /// From its words, in English, however they are spaced and capitalised.
    ///
    /// # Errors
    /// See [`SeedError`].
    pub fn from_words(words: &str) -> Result<Self, SeedError> {
        let words = Zeroizing::new(words.to_lowercase());
        let count = words.split_whitespace().count();
        if count != WORDS {
            return Err(SeedError::Count(count));
        }
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words).map_err(|e| match e {
            bip39::Error::UnknownWord(n) => SeedError::UnknownWord(n + 1),
            _ => SeedError::Checksum,
        })?;
        let (mut bytes, _) = mnemonic.to_entropy_array();
        let mut entropy = Zeroizing::new([0; 32]);
        entropy.copy_from_slice(&bytes[..32]);
        bytes.zeroize();
        Ok(Self { entropy })
    }

    /// Its 24 words, for the owner to write down.
    #[must_use]
    pub fn words(&self) -> Zeroizing<String> {
        Zeroizing::new(self.mnemonic().to_string())
    }

    fn mnemonic(&self) -> Mnemonic {
        Mnemonic::from_entropy(&*self.entropy).expect("32 bytes are a length of entropy that BIP 39 knows")
    }

    /// The keys from which all others are derived.
    pub(crate) fn roots(&self, secp: &Secp256k1<All>, network: Network) -> Roots {
        let bytes = Zeroizing::new(self.mnemonic().to_seed_normalized(""));
        Roots::new(secp, network, &bytes)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The private keys that everything comes from.
pub(crate) struct Roots {
    pub(crate) node: Zeroizing<[u8; 32]>,
    pub(crate) channels: Zeroizing<[u8; 32]>,
    pub(crate) wallet: Wallet,
}

impl Roots {
    fn new(secp: &Secp256k1<All>, network: Network, seed: &[u8; 64]) -> Self {
        let mut master =
            Xpriv::new_master(network.to_bitcoin(), seed).expect("a seed that makes no key is one in 2^127");
        let coin = coin_type(network);
        let derive = |path: [u32; 3]| {
            let path = path.map(|index| ChildNumber::Hardened { index });
            master.derive_priv(secp, &path).expect("a path that makes no key is one in 2^127")
        };
        let secret = |path| {
            let mut key = derive(path).private_key;
            let bytes = Zeroizing::new(key.secret_bytes());
            key.non_secure_erase();
            bytes
        };
        let roots = Self {
            node: secret([PURPOSE_NODE, coin, 0]),
            channels: secret([PURPOSE_NODE, coin, 1]),
            wallet: Wallet {
                account: derive([PURPOSE_WALLET, coin, 0]),
                fingerprint: master.fingerprint(secp),
                coin,
            },
        };
        master.private_key.non_secure_erase();
        roots
    }
}

/// Coin type of BIP 44.
const fn coin_type(network: Network) -> u32 {
    match network {
        Network::Bitcoin => 0,
        Network::Testnet4 | Network::Signet | Network::Regtest => 1,
    }
}

/// The account of the on-chain wallet. Wiped when dropped.
#[derive(Clone)]
pub(crate) struct Wallet {
    pub(crate) account: Xpriv,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) coin: u32,
}

impl Drop for Wallet {
    fn drop(&mut self) {
        self.account.private_key.non_secure_erase();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::wallet_keypair;
    use astrape_transactions::Keychain;
    use bitcoin::{Address, KnownHrp};

    const WORDS_OF_ZERO: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
        abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";

    #[test]
    fn the_words_of_a_seed_are_those_of_bip_39() {
        let seed = Seed::from_entropy([0; 32]);
        assert_eq!(*seed.words(), WORDS_OF_ZERO.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(Seed::from_words(&WORDS_OF_ZERO.to_uppercase()), Ok(seed));
        let other = Seed::from_entropy([0x5a; 32]);
        assert_eq!(Seed::from_words(&other.words()), Ok(other));
    }

    #[test]
    fn what_is_wrong_with_words_is_said() {
        assert_eq!(Seed::from_words("abandon art"), Err(SeedError::Count(2)));
        assert_eq!(Seed::from_words(&WORDS_OF_ZERO.replace("art", "artt")), Err(SeedError::UnknownWord(24)));
        assert_eq!(Seed::from_words(&WORDS_OF_ZERO.replace("art", "able")), Err(SeedError::Checksum));
        assert_eq!(format!("{:?}", Seed::from_entropy([1; 32])), "Seed(..)");
    }

    #[test]
    fn wallet_keys_are_those_of_bip_86() {
        // The vectors of BIP 86 are of twelve words.
        let words =
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        let bytes =
            Mnemonic::parse_in_normalized(Language::English, words).expect("words").to_seed_normalized("");
        let secp = Secp256k1::new();
        let roots = Roots::new(&secp, Network::Bitcoin, &bytes);
        for (keychain, index, address) in [
            (Keychain::External, 0, "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
            (Keychain::External, 1, "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh"),
            (Keychain::Internal, 0, "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7"),
        ] {
            let key = wallet_keypair(&secp, &roots.wallet, keychain, index).expect("an unhardened index");
            let got = Address::p2tr(&secp, key.x_only_public_key().0, None, KnownHrp::Mainnet);
            assert_eq!(got.to_string(), address);
        }
    }
}
