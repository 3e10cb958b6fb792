//! Options that are secrets: never printed, not even when they are refused.

use super::options::SECRET;
use astrape_signer::ChannelSecrets;
use clap::error::{ContextKind, ContextValue};
use core::fmt;
use core::str::FromStr;
use zeroize::Zeroizing;

/// 32 secret bytes in hexadecimal digits. Never printed.
#[derive(Clone)]
pub struct SecretHex(Zeroizing<[u8; 32]>);

impl SecretHex {
    /// The bytes.
    #[must_use]
    pub fn reveal(&self) -> [u8; 32] {
        *self.0
    }
}

impl FromStr for SecretHex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, bytes.as_mut_slice())
            .map_err(|_| "a secret is 32 bytes, written as 64 hexadecimal digits".to_owned())?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SecretHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHex(..)")
    }
}

/// The secrets of every channel: `FUNDING/REVOCATION/PAYMENT/DELAYED/HTLC/SHACHAIN`. Never printed.
#[derive(Clone)]
pub struct ChannelSecretsHex(pub ChannelSecrets);

impl FromStr for ChannelSecretsHex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let secrets: Vec<[u8; 32]> = text
            .split('/')
            .map(|part| part.parse().map(|s: SecretHex| s.reveal()))
            .collect::<Result<_, _>>()?;
        let [funding, revocation, payment, delayed, htlc, shachain] = secrets[..] else {
            return Err(format!("there are six secrets, separated by `/`, and not {}", secrets.len()));
        };
        let secrets = ChannelSecrets::from_raw(funding, revocation, payment, delayed, htlc, shachain);
        secrets.map(Self).map_err(|e| e.to_string())
    }
}

impl fmt::Debug for ChannelSecretsHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecretsHex(..)")
    }
}

/// An error of a command line without the value of an option whose value is not shown, wherever that is from: errors are kept in
/// logs and sent to others.
pub(crate) fn without_secrets(mut error: clap::Error) -> clap::Error {
    let is_secret = |option: &str| {
        let name = option.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default();
        SECRET.contains(&name)
    };
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    if is_secret(text(ContextKind::InvalidArg)) && !text(ContextKind::InvalidValue).is_empty() {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".to_owned()));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_whole_or_not_at_all_and_never_printed() {
        let one = "11".repeat(32);
        let six = [one.as_str(); 6].join("/");
        assert!(six.parse::<ChannelSecretsHex>().is_ok());
        assert!([one.as_str(); 5].join("/").parse::<ChannelSecretsHex>().is_err());
        assert!([one.as_str(); 7].join("/").parse::<ChannelSecretsHex>().is_err());
        assert!(six.replace("11", "00").parse::<ChannelSecretsHex>().is_err(), "zero is no private key");
        let secret: SecretHex = one.parse().expect("32 bytes");
        assert_eq!(secret.reveal(), [0x11; 32]);
        assert!(!format!("{secret:?}").contains("11"));
        for text in ["", "11", &"1".repeat(63), &"gg".repeat(32)] {
            assert!(text.parse::<SecretHex>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_secret() {
        let hidden = "5ec".repeat(21);
        for option in SECRET.map(|name| format!("--{name}")) {
            let given = format!("{option}={hidden}");
            let twice = [given.as_str(), given.as_str()];
            for words in [&twice[..1], &twice] {
                let argv = ["astrape", "--network=regtest", "run"].iter().chain(words);
                let Err(error) = crate::cli::command().try_get_matches_from(argv) else { continue };
                let told = without_secrets(error).to_string();
                assert!(!told.contains(&hidden) && told.contains(&option), "{told}");
            }
        }
        let public = crate::cli::command().try_get_matches_from(["astrape", "run", "--fee-ppm=many"]);
        assert!(without_secrets(public.expect_err("no number")).to_string().contains("'many'"));
        let none = crate::cli::command().try_get_matches_from(["astrape", "run", "--dev-node-key="]);
        assert!(without_secrets(none.expect_err("no key")).to_string().contains("--dev-node-key"));
    }
}
