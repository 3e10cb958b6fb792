//! Certificate, key and token of the API. They are made on the first start, in the node's data directory; the key and the
//! token can be read by their owner only.

use core::fmt;
use core::hint::black_box;
use core::str::FromStr;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// The certificate, in PEM: what a client pins.
pub const CERTIFICATE_FILE: &str = "api.cert";

/// Its private key, in PEM.
pub const KEY_FILE: &str = "api.key";

/// The token, in hexadecimal digits: whoever shows it may do everything.
pub const TOKEN_FILE: &str = "api.token";

/// The name in the certificate by which our own client asks, whatever address the node is reached at: the certificate is pinned, so its
/// name says nothing more.
pub const CERTIFICATE_NAME: &str = "localhost";

/// The other names in it, for clients that compare them with where they connect to.
const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// What stands above the certificate in its file, before its names: readers of PEM pass over it.
const NAMES: &str = "Names:";

/// Most that is read of any of these files.
const MAX_FILE: u64 = 64 << 10;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read or written.
    #[error("cannot {what} {}: {error}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// There is no such file.
    #[error("there is no {}: is the node of this data directory running, and has it ever been started?", .0.display())]
    Missing(PathBuf),
    /// The token file holds no token.
    #[error("{} holds no token: stop the node, remove the file and start the node again", .0.display())]
    NoToken(PathBuf),
    /// The certificate could not be made.
    #[error("cannot make a certificate for the API: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// 32 random bytes. Never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; Token::HEX_LEN]);

impl Token {
    const HEX_LEN: usize = 64;

    /// A fresh one.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, CredentialsError> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| CredentialsError::Random)?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(hex.parse().expect("32 bytes in hexadecimal digits"))
    }

    /// The token as it is shown to a node.
    #[must_use]
    pub fn reveal_hex(&self) -> &str {
        core::str::from_utf8(&self.0).expect("a token is hexadecimal digits")
    }

    /// Whether `shown` is this token. Takes the same time wherever the first difference is.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        if shown.len() != self.0.len() {
            return false;
        }
        let pairs = self.0.iter().zip(shown);
        let difference = pairs.fold(0, |difference, (ours, theirs)| black_box(difference | (ours ^ theirs)));
        black_box(difference) == 0
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits: [u8; Self::HEX_LEN] = text.trim().as_bytes().try_into().map_err(|_| ())?;
        let is_hex = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex { Ok(Self(digits)) } else { Err(()) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a node needs to offer its API.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: PrivateKeyPem,
    /// The token.
    pub token: Token,
}

/// A private key in PEM. Never printed by accident.
#[derive(Clone)]
pub struct PrivateKeyPem(String);

impl PrivateKeyPem {
    /// The text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKeyPem(..)")
    }
}

impl Credentials {
    /// Those in a data directory, for a node that is reached on this machine; what is missing is made.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, CredentialsError> {
        Self::load_or_create_for(data_dir, None)
    }

    /// The same for a node that is also reached at an address. A certificate that does not have that among its names, or is of a version
    /// that named none, is made anew: whoever has copied it needs the new one.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn load_or_create_for(data_dir: &Path, at: Option<IpAddr>) -> Result<Self, CredentialsError> {
        let (certificate_file, key_file) = (data_dir.join(CERTIFICATE_FILE), data_dir.join(KEY_FILE));
        let at = at.filter(|ip| !ip.is_unspecified() && !LOOPBACK.contains(ip));
        let ips: Vec<String> = LOOPBACK.into_iter().chain(at).map(|ip| ip.to_string()).collect();
        let is_there = certificate_file.exists() && key_file.exists();
        if !is_there || !has_names(&read(&certificate_file)?, &ips) {
            let (certificate, key) = self_signed(&ips)?;
            write(&key_file, &key, Access::Owner)?;
            write(&certificate_file, &certificate, Access::Everybody)?;
        }
        let token_file = data_dir.join(TOKEN_FILE);
        if !token_file.exists() {
            write(&token_file, &format!("{}\n", Token::generate()?.reveal_hex()), Access::Owner)?;
        }
        Ok(Self {
            certificate: read(&certificate_file)?,
            key: PrivateKeyPem(read(&key_file)?),
            token: read_token(&token_file)?,
        })
    }
}

/// What a client needs: the certificate to pin, and the token.
///
/// # Errors
/// When a file cannot be read, or the node has never been started.
pub fn load_for_client(data_dir: &Path) -> Result<(String, Token), CredentialsError> {
    Ok((read(&data_dir.join(CERTIFICATE_FILE))?, read_token(&data_dir.join(TOKEN_FILE))?))
}

/// Whether a certificate says that it has these names.
fn has_names(certificate: &str, ips: &[String]) -> bool {
    let names = certificate.lines().next().and_then(|line| line.strip_prefix(NAMES)).unwrap_or_default();
    ips.iter().all(|ip| names.split_whitespace().any(|name| name == ip))
}

fn self_signed(ips: &[String]) -> Result<(String, String), rcgen::Error> {
    let names: Vec<String> = [CERTIFICATE_NAME.to_owned()].into_iter().chain(ips.iter().cloned()).collect();
    let heading = format!("{NAMES} {}\n", names.join(" "));
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "Astrape API");
    params.distinguished_name = name;
    // The owner replaces a pinned certificate by removing the file, not by waiting for a date.
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2124, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((heading + &certificate.pem(), key.serialize_pem()))
}

fn read_token(path: &Path) -> Result<Token, CredentialsError> {
    read(path)?.parse().map_err(|()| CredentialsError::NoToken(path.to_owned()))
}

fn read(path: &Path) -> Result<String, CredentialsError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => CredentialsError::Missing(path.to_owned()),
        _ => CredentialsError::File { what: "read", path: path.to_owned(), error },
    };
    let file = File::open(path).map_err(failed)?;
    io::read_to_string(io::Read::take(file, MAX_FILE)).map_err(failed)
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Owner,
    Everybody,
}

/// Writes a file whole or not at all: another process never sees a part of it, and a crash leaves none.
fn write(path: &Path, text: &str, access: Access) -> Result<(), CredentialsError> {
    let failed = |error| CredentialsError::File { what: "write", path: path.to_owned(), error };
    let draft = path.with_extension(format!("draft{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if access == Access::Owner { 0o600 } else { 0o644 });
    }
    let mut file = options.open(&draft).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&draft, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_all_that_are_not_it() {
        let token: Token = "0123456789abcdef".repeat(4).parse().expect("a token");
        assert!(token.is("0123456789abcdef".repeat(4).as_bytes()));
        assert!(!token.is(b""));
        assert!(!token.is("0123456789abcdef".repeat(5).as_bytes()));
        for at in 0..64 {
            let mut other = "0123456789abcdef".repeat(4).into_bytes();
            other[at] ^= 1;
            assert!(!token.is(&other), "byte {at}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn what_is_not_64_digits_is_no_token() {
        for text in ["", "ab", &"AB".repeat(32), &"zz".repeat(32), &"ab".repeat(33)] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
        assert!(format!("{}\n", "ab".repeat(32)).parse::<Token>().is_ok());
    }
}
