<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * The first phase: backup.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use base_setting;
use stdClass;

/**
 * Backs the source up into the temporary folder of the duplication.
 */
class backup_phase {
    /**
     * Constructor.
     *
     * @param stdClass $job
     * @param request $request
     */
    public function __construct(
        /** @var stdClass row of the duplication */
        private stdClass $job,
        /** @var request what is asked for */
        private request $request
    ) {
    }

    /**
     * Does it.
     *
     * @param progress $progress
     */
    public function run(progress $progress): void {
        $backup = new backup_process($this->job->duplicateid, $this->request->sourceid, $this->job->userid);
        try {
            $this->configure($backup);
            $backup->set_progress($progress);
            $backup->execute_plan();
            $file = $backup->get_results()['backup_destination'];
            $folder = $backup->get_plan()->get_basepath();
            if (!file_exists($folder . '/moodle_backup.xml')) {
                $file->extract_to_pathname(get_file_packer('application/vnd.moodle.backup'), $folder);
            }
            $file->delete();
            self::hide_course($folder);
        } finally {
            $backup->destroy();
        }
    }

    /**
     * Sets the options. The name of the file is unique: two backups of one course would overwrite each other's.
     *
     * @param backup_process $backup
     */
    private function configure(backup_process $backup): void {
        $plan = $backup->get_plan();
        foreach ($this->request->options as $name => $value) {
            if ($plan->setting_exists($name)) {
                self::set($plan->get_setting($name), $value);
            }
        }
        self::set($plan->get_setting('filename'), cleaner::file_name($this->job->duplicateid));
    }

    /**
     * Sets one setting. The capabilities for it were checked before; a lock by the site's configuration counts.
     *
     * @param base_setting $setting
     * @param mixed $value
     */
    private static function set(base_setting $setting, $value): void {
        if ($setting->get_value() == $value) {
            return;
        }
        if ($setting->get_status() == base_setting::LOCKED_BY_PERMISSION) {
            $setting->set_status(base_setting::NOT_LOCKED);
        }
        $setting->set_value($value);
    }

    /**
     * Restore makes the course as visible as its source, long before it is complete. It shall stay hidden till the end.
     *
     * @param string $folder
     */
    private static function hide_course(string $folder): void {
        $path = $folder . '/course/course.xml';
        $xml = file_get_contents($path);
        file_put_contents($path, preg_replace('~<visible>1</visible>~', '<visible>0</visible>', $xml, 1));
    }
}
