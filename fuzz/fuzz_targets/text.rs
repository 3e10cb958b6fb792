#![no_main]

astrape_fuzz::target!(bytes => astrape_fuzz::text(bytes));
