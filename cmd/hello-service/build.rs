//! Compiles `proto/hello/v1` with protox, so that no `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    println!("cargo:rerun-if-changed={root}/hello");
    let set = protox::compile(["hello/v1/hello.proto"], [root])?;
    tonic_prost_build::compile_fds(set)?;
    Ok(())
}
