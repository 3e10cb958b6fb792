#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| astrape_fuzz::messages::run(input));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    astrape_fuzz::messages::retype(&mut data[..size], seed);
    size
});
