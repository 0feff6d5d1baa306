//! Makes Rust of the protocol.

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure().compile_protos(&["proto/membership.proto", "proto/jobs.proto"], &["proto"])
}
