"""What is known of damaged state: row checksums, and indexes that are not served."""
