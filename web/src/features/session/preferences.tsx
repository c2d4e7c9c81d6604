import { ActionIcon, Group, Menu, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { IconLanguage, IconMoon, IconSun } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { setLanguage } from '@/shared/i18n';

/** Language and theme: each by the browser's wish until it is chosen. */
export function Preferences() {
  const { t, i18n } = useTranslation();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme('light') === 'dark';
  const theme = dark ? t('frame.light') : t('frame.dark');
  return (
    <Group gap={4} wrap="nowrap">
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t('frame.language')}><IconLanguage size={20} stroke={1.7} /></ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item lang="ko" onClick={() => setLanguage('ko')} fw={i18n.language === 'ko' ? 700 : undefined}>한국어</Menu.Item>
          <Menu.Item lang="en" onClick={() => setLanguage('en')} fw={i18n.language === 'en' ? 700 : undefined}>English</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={theme}>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={theme} onClick={() => setColorScheme(dark ? 'light' : 'dark')}>
          {dark ? <IconSun size={20} stroke={1.7} /> : <IconMoon size={20} stroke={1.7} />}
        </ActionIcon>
      </Tooltip>
    </Group>
  );
}
