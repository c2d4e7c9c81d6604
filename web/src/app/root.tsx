import { Anchor, Center, Loader } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { IconCompassOff } from '@tabler/icons-react';
import { Link, Outlet } from '@tanstack/react-router';
import { Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, useAccountActions } from '@/entities/account';
import { FirstPassword, Locked, Login } from '@/features/session';
import { ApiError, whenUnauthorized } from '@/shared/api';
import { lock } from '@/shared/config/preferences';
import { Empty, Failure } from '@/shared/ui';
import { Frame } from '@/widgets/frame';

const LAST_NAME = 'argosy.name';

/** Nothing is drawn before it is known who looks: login, first password, lock, and only then the console. */
export function Root() {
  const client = useQueryClient();
  const { logout } = useAccountActions();
  const [locked, setLocked] = useState(lock.get);
  const me = useQuery({ ...accountQueries.me(), enabled: !locked });
  useEffect(() => whenUnauthorized(() => void client.resetQueries({ queryKey: ['me'] })), [client]);
  useEffect(() => {
    if (me.data) localStorage.setItem(LAST_NAME, me.data.user.name);
  }, [me.data]);

  if (locked) {
    return <Locked name={localStorage.getItem(LAST_NAME) ?? ''} onUnlock={() => { lock.set(false); setLocked(false); }} />;
  }
  if (me.error) {
    if (me.error instanceof ApiError && me.error.status === 401) return <Login />;
    return <Center mih="100dvh" px="md"><Failure error={me.error} onRetry={() => void me.refetch()} /></Center>;
  }
  if (!me.data) return <Center mih="100dvh"><Loader /></Center>;
  if (me.data.must_change_password) return <FirstPassword name={me.data.user.name} />;
  // Locking ends the session on the server: an open developer console can ask it nothing either.
  const doLock = () => {
    lock.set(true);
    setLocked(true);
    logout.mutate();
  };
  return (
    <Frame me={me.data} onLock={doLock}>
      <Suspense fallback={<Center h="50vh"><Loader /></Center>}><Outlet /></Suspense>
    </Frame>
  );
}

export function NotFound() {
  const { t } = useTranslation();
  return <Empty icon={IconCompassOff} title={t('state.notFound')} action={<Anchor component={Link} to="/">{t('nav.overview')}</Anchor>} />;
}
