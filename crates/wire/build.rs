//! Compiles `proto/headwater/v1` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    println!("cargo:rerun-if-changed={root}");
    let set = protox::compile(["headwater/v1/headwater.proto"], [root])?;
    prost_build::Config::new().bytes(["."]).compile_fds(set)?;
    Ok(())
}
