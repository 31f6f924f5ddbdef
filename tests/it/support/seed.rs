/// The seed of a random test: printed, and taken back from `INVENTORY_STORE_SEED`.
pub fn seed() -> u64 {
    let seed = match std::env::var("INVENTORY_STORE_SEED") {
        Ok(text) => text.parse().expect("INVENTORY_STORE_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    eprintln!("INVENTORY_STORE_SEED={seed}");
    seed
}
