export default serve("player", Player);
