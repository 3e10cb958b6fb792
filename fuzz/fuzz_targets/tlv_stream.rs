#![no_main]

astrape_fuzz::target!(bytes => astrape_fuzz::tlv_stream(bytes));
