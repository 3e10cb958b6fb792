#![no_main]

astrape_fuzz::target!(body => astrape_fuzz::message(39, body));
