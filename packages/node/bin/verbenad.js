#!/usr/bin/env node
// Stands in the repository, so that an installer finds it before the first build.
import '../dist/daemon/main.js';
