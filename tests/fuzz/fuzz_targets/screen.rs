#![no_main]

fuzz::target!(screen);
