//! systemd-import-generator as a program: variables and files in, a folder of units out.

#[cfg(test)]
mod credentials;
#[cfg(test)]
mod inputs;
#[cfg(test)]
mod run;
#[cfg(test)]
mod units;
