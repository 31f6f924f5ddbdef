//! The binary: hands over to [`inventory_store::cli`].

/// librdkafka's fetch threads allocate per message; mimalloc takes a third off what that costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    inventory_store::cli::main()
}
