//! Ports of this machine that nobody has.

use std::net::TcpListener;

/// So many different ports of loopback that are free now. Somebody else may take one before it is used: whoever starts a
/// service on them must be ready to try others.
pub fn free_ports(number: usize) -> Vec<u16> {
    // All held at the same time, so that none comes twice.
    let held: Vec<TcpListener> = (0..number).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}
