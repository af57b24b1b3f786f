fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut j = soundness::Judge::default();
    let c: &'static str = if a[2] == "gcc" { "gcc" } else { "clang" };
    std::fs::create_dir_all("/tmp/sc/tree").unwrap();
    println!(
        "{:?}",
        soundness::torture(a[1].parse().unwrap(), c, std::path::Path::new("/tmp/sc/tree"), &mut j)
    );
}
