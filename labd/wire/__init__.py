"""Messages and services generated from `proto/`; `make proto` writes them, nobody edits them."""
