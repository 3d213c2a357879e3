"""One cache for several: workers that read each other's unfinished thoughts, and task trees whose finished branches leave it."""
