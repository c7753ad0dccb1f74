#![no_main]

fuzz::target!(rules_file);
