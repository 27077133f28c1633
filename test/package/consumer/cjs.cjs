const { Generator } = require("emberwing");

console.log(JSON.stringify([...new Generator(42).randn([2]).data]));
