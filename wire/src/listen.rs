//! Who may reach a process: nobody beyond its own machine, unless there is a token.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shoal_core::{Failure, Reason};

use crate::token::Token;

/// Where a process listens unless told otherwise: on its own machine, on a port that is free.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Whether a process may listen there.
///
/// # Errors
/// [`Reason::InvalidValue`] for an address that others can reach without a token.
pub fn check_listen(address: SocketAddr, token: Option<&Token>) -> Result<(), Failure> {
    // An IPv4 address written as IPv6 is as local as the address itself.
    if address.ip().to_canonical().is_loopback() || token.is_some() {
        return Ok(());
    }
    let why = format!("listening on {address} lets anyone who reaches this machine run jobs as you");
    Err(Failure::new(Reason::InvalidValue, why).next("pass a token with `--token-file FILE`, or listen on 127.0.0.1"))
}

/// Whether what goes to and from an address, the token included, can be read on the way.
pub fn is_in_the_clear(address: SocketAddr, has_tls: bool) -> bool {
    !has_tls && !address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_machine_only_with_a_token() {
        let token = Token::new("0123456789abcdef").unwrap();
        check_listen(LISTEN_DEFAULT, None).unwrap();
        for local in ["127.0.0.1:80", "127.9.9.9:0", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            check_listen(local.parse().unwrap(), None).unwrap();
        }
        for open in ["0.0.0.0:80", "[::]:80", "10.0.0.1:0", "[fe80::1]:1"] {
            let open = open.parse().unwrap();
            assert_eq!(check_listen(open, None).unwrap_err().reason, Reason::InvalidValue);
            check_listen(open, Some(&token)).unwrap();
        }
    }
    #[test]
    fn only_other_machines_can_read_what_is_in_the_clear() {
        let (here, open) = ("[::ffff:127.0.0.1]:80".parse().unwrap(), "0.0.0.0:80".parse().unwrap());
        assert!(is_in_the_clear(open, false));
        assert!(!is_in_the_clear(open, true) && !is_in_the_clear(here, false));
    }
}
