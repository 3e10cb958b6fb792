#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| astrape_fuzz::invoice::run(input));
