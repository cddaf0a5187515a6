/** An element with children that are elements or text, so neither an answer nor a label becomes markup. */
export const make = (name, attributes, ...children) => {
  const made = document.createElement(name);
  for (const key of Object.keys(attributes)) made.setAttribute(key, attributes[key]);
  made.append(...children);
  return made;
};
