// A site of files, without a server of Next's.
module.exports = { output: 'export' };
