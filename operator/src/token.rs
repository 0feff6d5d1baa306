//! The token in a cluster's Secret.

use k8s_openapi::api::core::v1::Secret;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;

/// The entry of the Secret that holds it.
pub(crate) const TOKEN_KEY: &str = "token";

/// The token that a Secret holds.
///
/// # Errors
/// [`Reason::Unauthorized`] where it holds none, [`Reason::InvalidValue`] where what it holds cannot be one.
pub(crate) fn token_of(secret: &Secret) -> Result<Token, Failure> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(TOKEN_KEY));
    let bytes = bytes.ok_or_else(|| Failure::new(Reason::Unauthorized, format!("it has no entry `{TOKEN_KEY}`")))?;
    // What is no text is no printable ASCII, which is what the check says then.
    Token::new(&String::from_utf8_lossy(&bytes.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn secret(data: &Value) -> Secret {
        serde_json::from_value(json!({"metadata": {"name": "a-token"}, "data": data})).unwrap()
    }

    #[test]
    fn a_secret_holds_a_token_or_it_is_said_what_is_wrong_with_it() {
        // `0123456789abcdef`, as Secrets hold it.
        let token = token_of(&secret(&json!({"token": "MDEyMzQ1Njc4OWFiY2RlZg=="}))).unwrap();
        assert_eq!(token.header(), "Bearer 0123456789abcdef");
        for (data, reason) in [
            (json!({}), Reason::Unauthorized),
            (json!({"password": "MDEyMzQ1Njc4OWFiY2RlZg=="}), Reason::Unauthorized),
            (json!({"token": ""}), Reason::InvalidValue),
            (json!({"token": "//79"}), Reason::InvalidValue),
        ] {
            assert_eq!(token_of(&secret(&data)).unwrap_err().reason, reason, "{data}");
        }
    }
}
