'use client';
import { useState } from 'react';

/** A figure that is rendered when the reader asks for it. */
export default function More() {
  const [isShown, show] = useState(false);
  return (
    <>
      <button id="more" onClick={() => show(true)}>more</button>
      {isShown && <p id="later" data-truycap="article.total">–</p>}
    </>
  );
}
