"""Commands that submit and process items: submit, work, run."""
