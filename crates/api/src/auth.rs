//! The token in a call: `authorization: Bearer HEX`.

use crate::credentials::Token;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Where the token stands in a call.
const HEADER: &str = "authorization";

/// What stands before it.
const SCHEME: &str = "Bearer ";

/// Shows the token with each call.
#[derive(Clone)]
pub struct ShowToken(MetadataValue<Ascii>);

impl ShowToken {
    /// For this token.
    #[must_use]
    pub fn new(token: &Token) -> Self {
        let mut value: MetadataValue<Ascii> = format!("{SCHEME}{}", token.reveal_hex())
            .parse()
            .expect("hexadecimal digits are allowed in a header");
        value.set_sensitive(true);
        Self(value)
    }
}

impl Interceptor for ShowToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(HEADER, self.0.clone());
        Ok(request)
    }
}

/// Lets no call through that does not show the token.
#[derive(Clone)]
pub struct RequireToken(Token);

impl RequireToken {
    /// For this token.
    #[must_use]
    pub fn new(token: Token) -> Self {
        Self(token)
    }
}

impl Interceptor for RequireToken {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let shown =
            request.metadata().get(HEADER).and_then(|value| value.as_bytes().strip_prefix(SCHEME.as_bytes()));
        match shown {
            Some(shown) if self.0.is(shown) => Ok(request),
            Some(_) => Err(Status::unauthenticated(
                "the token is not this node's: use the file api.token in its data directory",
            )),
            None => Err(Status::unauthenticated(
                "the call shows no token: send the content of api.token as `authorization: Bearer TOKEN`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(hex: &str) -> Token {
        hex.parse().expect("a token")
    }

    #[test]
    fn only_the_right_token_gets_through() {
        let (ours, other) = (token(&"ab".repeat(32)), token(&"ac".repeat(32)));
        let mut gate = RequireToken::new(ours.clone());
        let with = |token| ShowToken::new(&token).call(Request::new(())).expect("a client's call");
        assert!(gate.call(with(ours)).is_ok());
        assert!(gate.call(with(other)).is_err());
        assert!(gate.call(Request::new(())).is_err());
        for wrong in
            ["Bearer ", "Bearer ab", "Basic abab", &"ab".repeat(32), &format!("Bearer {}", "ab".repeat(33))]
        {
            let mut request = Request::new(());
            request.metadata_mut().insert(HEADER, wrong.parse().expect("ASCII"));
            let status = gate.call(request).expect_err("no token");
            assert_eq!(status.code(), tonic::Code::Unauthenticated, "{wrong}");
        }
    }
}
