use axum::http::{HeaderValue, header};

use super::app::Caller;
use super::problem::{Code, Problem};
use super::tokens::{Role, Tokens};

/// Whether `authorization` holds a token whose role reaches `role`. RFC 6750.
pub fn check(tokens: &Tokens, authorization: Option<&[u8]>, role: Role) -> Result<Caller, Problem> {
    let Some(authorization) = authorization else {
        return Err(Problem::new(
            Code::Unauthorized,
            format!("this needs a token with the role {}: send Authorization: Bearer TOKEN", role.name()),
        )
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="inventory-store""#)));
    };
    let bearer = token(authorization).and_then(|token| tokens.bearer(token)).ok_or_else(|| {
        Problem::new(
            Code::Unauthorized,
            "the token is not known here; is it complete, and the service the right one?",
        )
        .header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(r#"Bearer realm="inventory-store", error="invalid_token""#),
        )
    })?;
    if bearer.role >= role {
        return Ok(Caller(bearer.name));
    }
    let challenge = match role {
        Role::Read => r#"Bearer realm="inventory-store", error="insufficient_scope", scope="read""#,
        Role::Command => r#"Bearer realm="inventory-store", error="insufficient_scope", scope="command""#,
        Role::Admin => r#"Bearer realm="inventory-store", error="insufficient_scope", scope="admin""#,
    };
    Err(Problem::new(
        Code::Forbidden,
        format!(
            "the token {:?} has the role {}, this needs {}",
            bearer.name,
            bearer.role.name(),
            role.name()
        ),
    )
    .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)))
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter.
fn token(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_is_read_in_any_case_and_others_are_not() {
        assert_eq!(token(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(token(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b"Basic abc"[..], b"Bearer", b"Bearer ", b"", b"Bearerabc"] {
            assert_eq!(token(other), None);
        }
    }
}
