import Link from 'next/link';
import More from '../more';

export const generateStaticParams = () => [{ id: '1' }, { id: '2' }];

export const generateMetadata = async ({ params }) => ({ alternates: { canonical: `/tin/${(await params).id}` } });

export default async function Page({ params }) {
  const { id } = await params;
  return (
    <main>
      <h1>/tin/{id}</h1>
      <p id="own" data-truycap="article.total">–</p>
      <p id="site" data-truycap="total">–</p>
      <Link id="to-1" href="/1">1</Link>
      <Link id="to-2" href="/2">2</Link>
      <More />
    </main>
  );
}
