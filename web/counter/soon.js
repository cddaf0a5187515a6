/** A function that runs another one after a time in milliseconds: once for all calls until then. */
export const soon = (then, time) => {
  let due;
  return () => {
    due = due || setTimeout(() => {
      due = 0;
      then();
    }, time);
  };
};
