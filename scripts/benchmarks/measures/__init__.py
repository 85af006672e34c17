"""The measures: what is done, by whom, and what it is compared with, one module for each."""
